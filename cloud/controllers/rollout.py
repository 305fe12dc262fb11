"""How a change moves through the nodes of an App or a Firmware. Pure: `plan_rollout` only decides.

Rules
- A node that is offline (or lacks what the change is for) is not touched: it keeps its version, takes no place in the window, and
  is a candidate like any other once it is back.
- The first `canaries` nodes change before all others, and one of them failing stops the attempt:
  a broken version reaches no more nodes. As soon as they are ready the others follow.
- At most `concurrency` online nodes are changing at one time; the next begins when one is ready
  (for `minReadySeconds`) or failed.
- A node that is online and neither ready nor failed for `progressDeadlineSeconds` has failed.
- When `failureThreshold` nodes failed (or all, if there are fewer) the attempt is stopped for
  good: no further node changes, and those that failed go back to what was ready on them before.
  A node that never had a ready version keeps the failed one.
- Another version or other rollout settings are another attempt and start afresh.
- What changes without a rollout, as twin values do, goes to every instance at once.
- What is another version, what is good and what has failed, the craft says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Generic

from msgspec import structs

from cloud.controllers.craft import Craft, N, W, owner, same
from cloud.controllers.selecting import selects
from cloud.controllers.summary import Tally, summarize
from cloud.kinds.meta import find_condition
from cloud.kinds.node import READY, Node
from cloud.kinds.work import FailedAttempt, NodeFailure, Work, WorkStatus

DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"


class Phase(Enum):
    """Where one node is in an attempt."""

    OUTDATED = "outdated"
    """Without the change, or without an instance."""
    CHANGING = "changing"
    SETTLING = "settling"
    """Ready, not yet for minReadySeconds."""
    READY = "ready"
    FAILED = "failed"
    REVERTED = "reverted"
    """Failed, and has its former version back."""


@dataclass(frozen=True)
class Plan(Generic[N]):
    """What to do; `status` is to be written before anything else, so that a stop is remembered."""

    status: WorkStatus
    create: list[N] = field(default_factory=list[N])
    update: list[N] = field(default_factory=list[N])
    delete: list[N] = field(default_factory=list[N])
    again: timedelta | None = None
    """When time alone will change the plan."""


@dataclass(frozen=True)
class Change(Generic[W, N]):
    """What is rolled out."""

    craft: Craft[W, N]
    work: W
    desired: Any


def plan_rollout(
    change: Change[W, N], nodes: Sequence[Node], instances: Sequence[N], now: datetime
) -> Plan[N]:
    """The next step of the change on all nodes that are selected."""
    work = change.work
    selected = {node.metadata.name: node for node in nodes if selects(work.spec.selector, node)}
    by_node = {instance.spec.node: instance for instance in instances}
    attempt = change.craft.attempt_of(work, change.desired)
    wanted = {name for name, node in selected.items() if name in by_node or _accepts(node)}
    views = [
        _View(change, selected[name], by_node.get(name), attempt, now) for name in sorted(wanted)
    ]
    failed = [view for view in views if view.phase in {Phase.FAILED, Phase.REVERTED}]
    stopped = work.status.stopped == attempt or (
        bool(failed) and len(failed) >= _threshold(work, views)
    )
    chosen = set() if stopped or work.spec.rollout.paused else _choose(work, views)
    plan = Plan[N](
        status=_status(change, views, attempt if stopped else "", now),
        delete=[instance for instance in instances if instance.spec.node not in wanted],
        again=min((view.settles_in for view in views if view.settles_in), default=None),
    )
    for view in views:
        after = view.after(change=view.name in chosen, revert=stopped)
        if after is None:
            continue
        if view.instance is None:
            plan.create.append(after)
        elif not same(after, view.instance):
            plan.update.append(after)
    return plan


class _View(Generic[W, N]):
    """One node as an attempt sees it."""

    def __init__(
        self,
        change: Change[W, N],
        node: Node,
        instance: N | None,
        attempt: str,
        now: datetime,
    ) -> None:
        self.name = node.metadata.name
        self.instance = instance
        self._craft, self._work, self._desired = change.craft, change.work, change.desired
        self.online = self._craft.reachable(self._work, self._desired, node, instance)
        self._attempt = attempt
        rollout = self._work.spec.rollout
        self._min_ready = timedelta(seconds=rollout.min_ready_seconds)
        self._patience = timedelta(seconds=rollout.progress_deadline_seconds)
        self._now = now
        self._node = node
        self._late = False
        """Failed because it took too long."""
        self.settles_in: timedelta | None = None
        self.phase = Phase.OUTDATED if instance is None else self._phase(instance, now)

    @property
    def in_window(self) -> bool:
        """Whether it takes one of the places of the rollout."""
        held = self.instance is not None and self._craft.is_held(self.instance)
        return self.online and not held and self.phase in {Phase.CHANGING, Phase.SETTLING}

    def failure(self) -> NodeFailure | None:
        """Why it failed."""
        if self.instance is None:
            return None
        if self.phase is Phase.REVERTED and (failed := self.instance.spec.failed):
            return NodeFailure(node=self.name, reason=failed.reason, message=failed.message)
        if self.phase is Phase.FAILED:
            status = self.instance.status
            if self._late:
                return NodeFailure(node=self.name, reason=DEADLINE_EXCEEDED, message=self._plea())
            plain = status.reason in {"", "Unusable"}
            reason = status.state.value if plain else status.reason
            return NodeFailure(node=self.name, reason=reason, message=status.message[:1024])
        return None

    def after(self, *, change: bool, revert: bool) -> N | None:
        """The instance as it shall be; None when the node shall have none yet."""
        if self.instance is None:
            if not change:
                return None
            return self._craft.make(self._work, self.name, self._desired, self._now)
        spec = self.instance.spec
        if change:
            spec = structs.replace(
                spec,
                desired=self._desired,
                previous=self._known_good(),
                failed=None,
                changed=self._now,
            )
        elif revert and self.phase is Phase.FAILED and spec.previous is not None:
            failure = self.failure()
            failed = FailedAttempt(
                attempt=self._attempt,
                reason=failure.reason if failure else "",
                message=failure.message if failure else "",
            )
            spec = structs.replace(spec, desired=spec.previous, failed=failed, changed=self._now)
        spec = structs.replace(spec, desired=self._craft.live(self._work, spec.desired))
        metadata = structs.replace(self.instance.metadata, owner_references=[owner(self._work)])
        return structs.replace(self.instance, spec=spec, metadata=metadata)

    def _phase(self, instance: N, now: datetime) -> Phase:
        spec, status = instance.spec, instance.status
        if not self._craft.same_version(spec.desired, self._desired):
            tried = spec.failed is not None and spec.failed.attempt == self._attempt
            return Phase.REVERTED if tried else Phase.OUTDATED
        current = status.observed_generation == instance.metadata.generation
        if current and self._craft.has_failed(instance):
            return Phase.FAILED
        if not current or not self._craft.is_good(instance):
            return self._changing(instance)
        left = self._min_ready - (now - (status.ready_time or now))
        if left <= timedelta():
            return Phase.READY
        self.settles_in = left
        return Phase.SETTLING

    def _changing(self, instance: N) -> Phase:
        if not self.online or self._craft.is_held(instance):
            return Phase.CHANGING
        online = find_condition(self._node.status.conditions, READY)
        began = [
            instance.spec.changed,
            instance.status.unready_time,
            online.last_transition_time if online is not None else None,
        ]
        left = self._patience - (
            self._now - max((each for each in began if each), default=self._now)
        )
        self._late = left <= timedelta()
        if self._late:
            return Phase.FAILED
        self.settles_in = left
        return Phase.CHANGING

    def _plea(self) -> str:
        """What a node that took too long said last."""
        assert self.instance is not None  # noqa: S101 - for the type checker
        status = self.instance.status
        said = f"{status.state.value}: {status.message}" if status.message else status.state.value
        seconds = self._patience.total_seconds()
        return f"neither ready nor failed within {seconds:g} s; it said last: {said}"[:1024]

    def _known_good(self) -> Any:
        assert self.instance is not None  # noqa: S101 - for the type checker
        current = self.instance.status.observed_generation == self.instance.metadata.generation
        if current and self._craft.is_good(self.instance):
            return self.instance.spec.desired
        return self.instance.spec.previous


def _accepts(node: Node) -> bool:
    return not node.spec.unschedulable


def _choose(work: Work, views: Sequence[_View[Any, Any]]) -> set[str]:
    """Nodes that begin to change now."""
    rollout = work.spec.rollout
    places = _count(rollout.concurrency, len(views))
    if _is_trial(work, views):
        places = min(places, rollout.canaries - sum(view.phase is Phase.READY for view in views))
    free = places - sum(view.in_window for view in views)
    waiting = [view.name for view in views if view.online and view.phase is Phase.OUTDATED]
    return set(waiting[: max(0, free)])


def _threshold(work: Work, views: Sequence[_View[Any, Any]]) -> int:
    if _is_trial(work, views):
        return 1
    return min(_count(work.spec.rollout.failure_threshold, len(views)), len(views))


def _is_trial(work: Work, views: Sequence[_View[Any, Any]]) -> bool:
    """Whether nodes wait for canaries, of which too few are ready."""
    ready = sum(view.phase is Phase.READY for view in views)
    waiting = any(view.phase is Phase.OUTDATED for view in views)
    return waiting and ready < work.spec.rollout.canaries


def _count(given: int | str, selected: int) -> int:
    """A number of nodes, at least 1; a percentage is of the selected ones."""
    if isinstance(given, int):
        return given
    return max(1, -(-selected * int(given.rstrip("%")) // 100))


def _status(
    change: Change[W, N], views: Sequence[_View[W, N]], stopped: str, now: datetime
) -> WorkStatus:
    failures = [failure for view in views if (failure := view.failure())]
    current = [view for view in views if view.phase not in {Phase.OUTDATED, Phase.REVERTED}]
    instances = [view.instance for view in current if view.instance is not None]
    settled = {Phase.READY, Phase.FAILED, Phase.REVERTED}
    tally = Tally(
        selected=len(views),
        updated=len(current),
        running=sum(map(change.craft.is_running, instances)),
        ready=sum(view.phase is Phase.READY for view in views),
        failures=failures,
        offline=sum(not view.online for view in views),
        unfinished=sum(view.online and view.phase not in settled for view in views),
        absent=change.craft.absent,
    )
    status = summarize(change.work, change.desired.manifest.version, tally, stopped, now)
    return change.craft.told(status, change.desired, instances)
