"""How a change of an App moves through its nodes. Pure: `plan_rollout` decides, nothing happens.

Rules
- A node that is offline is not touched: it keeps its version, takes no place in the window, and
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
- Twin values go to every instance at once; an older version gets those it understands.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from msgspec import structs

from cloud.controllers.desired import attempt_of, fitting_twin, same, same_version
from cloud.controllers.selecting import selects
from cloud.controllers.summary import Tally, summarize
from cloud.kinds.app import App, AppStatus, NodeFailure
from cloud.kinds.appinstance import (
    AppInstance,
    AppInstanceSpec,
    FailedAttempt,
    instance_name,
)
from cloud.kinds.meta import (
    API_VERSION,
    LABEL_APP,
    LABEL_NODE,
    Metadata,
    OwnerReference,
    find_condition,
)
from cloud.kinds.node import READY, Node, is_ready
from edge.wire.manifest import RestartPolicy
from edge.wire.messages import AppState, DesiredApp

DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
ENDED_BADLY = frozenset(
    {AppState.TRAPPED, AppState.OUT_OF_BUDGET, AppState.OUT_OF_MEMORY, AppState.HUNG}
)


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
class Plan:
    """What to do; `status` is to be written before anything else, so that a stop is remembered."""

    status: AppStatus
    create: list[AppInstance] = field(default_factory=list[AppInstance])
    update: list[AppInstance] = field(default_factory=list[AppInstance])
    delete: list[AppInstance] = field(default_factory=list[AppInstance])
    again: timedelta | None = None
    """When time alone will change the plan."""


def plan_rollout(
    app: App,
    desired: DesiredApp,
    nodes: Sequence[Node],
    instances: Sequence[AppInstance],
    now: datetime,
) -> Plan:
    """The next step of `app` towards `desired` on all nodes it selects."""
    selected = {node.metadata.name: node for node in nodes if selects(app.spec.selector, node)}
    by_node = {instance.spec.node: instance for instance in instances}
    attempt = attempt_of(app, desired)
    wanted = {name for name, node in selected.items() if name in by_node or _accepts(node)}
    views = [
        _View(selected[name], by_node.get(name), app, desired, attempt, now)
        for name in sorted(wanted)
    ]
    failed = [view for view in views if view.phase in {Phase.FAILED, Phase.REVERTED}]
    stopped = app.status.stopped == attempt or (
        bool(failed) and len(failed) >= _threshold(app, views)
    )
    chosen = set() if stopped or app.spec.rollout.paused else _choose(app, views)
    plan = Plan(
        status=_status(app, desired, views, attempt if stopped else "", now),
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


class _View:
    """One node as an attempt sees it."""

    def __init__(
        self,
        node: Node,
        instance: AppInstance | None,
        app: App,
        desired: DesiredApp,
        attempt: str,
        now: datetime,
    ) -> None:
        self.name = node.metadata.name
        self.online = is_ready(node)
        self.instance = instance
        self._app = app
        self._desired = desired
        self._attempt = attempt
        self._min_ready = timedelta(seconds=app.spec.rollout.min_ready_seconds)
        self._patience = timedelta(seconds=app.spec.rollout.progress_deadline_seconds)
        self._now = now
        self._node = node
        self._late = False
        """Failed because it took too long."""
        self.settles_in: timedelta | None = None
        self.phase = Phase.OUTDATED if instance is None else self._phase(instance, now)

    @property
    def in_window(self) -> bool:
        """Whether it takes one of the places of the rollout."""
        held = self.instance is not None and self.instance.status.state is AppState.HELD
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

    def after(self, *, change: bool, revert: bool) -> AppInstance | None:
        """The instance as it shall be; None when the node shall have none yet."""
        if self.instance is None:
            if not change:
                return None
            return _new_instance(self._app, self.name, self._desired, self._now)
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
        twin = fitting_twin(spec.desired.manifest, self._app.spec.twin)
        spec = structs.replace(spec, desired=structs.replace(spec.desired, twin=twin))
        metadata = structs.replace(self.instance.metadata, owner_references=[_owner(self._app)])
        return structs.replace(self.instance, spec=spec, metadata=metadata)

    def _phase(self, instance: AppInstance, now: datetime) -> Phase:
        spec, status = instance.spec, instance.status
        if not same_version(spec.desired, self._desired):
            tried = spec.failed is not None and spec.failed.attempt == self._attempt
            return Phase.REVERTED if tried else Phase.OUTDATED
        current = status.observed_generation == instance.metadata.generation
        if current and has_failed(instance):
            return Phase.FAILED
        if not current or not is_good(instance):
            return self._changing(instance)
        left = self._min_ready - (now - (status.ready_time or now))
        if left <= timedelta():
            return Phase.READY
        self.settles_in = left
        return Phase.SETTLING

    def _changing(self, instance: AppInstance) -> Phase:
        if not self.online or instance.status.state is AppState.HELD:
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

    def _known_good(self) -> DesiredApp | None:
        assert self.instance is not None  # noqa: S101 - for the type checker
        current = self.instance.status.observed_generation == self.instance.metadata.generation
        if current and is_good(self.instance):
            return self.instance.spec.desired
        return self.instance.spec.previous


def has_failed(instance: AppInstance) -> bool:
    """Whether what the node runs has failed, by what it said last."""
    status = instance.status
    if status.state is AppState.FAILED:
        return True
    if status.digest != instance.spec.desired.code_digest:
        return False  # the former version, while the new one is being fetched
    if status.reason == "CrashLoop":
        return True
    if status.state is AppState.EXITED:
        return bool(status.exit_code)
    return status.state in ENDED_BADLY and status.restarts > 0


def is_good(instance: AppInstance) -> bool:
    """Whether the node runs what it shall and is ready, or ran it to a good end."""
    status, desired = instance.status, instance.spec.desired
    if (status.digest, status.version) != (desired.code_digest, desired.manifest.version):
        return False  # an older version answers while the new one is being fetched
    finished = status.state is AppState.EXITED and status.exit_code == 0
    return status.ready or (finished and desired.restart.policy is not RestartPolicy.ALWAYS)


def _accepts(node: Node) -> bool:
    return not node.spec.unschedulable


def _choose(app: App, views: Sequence[_View]) -> set[str]:
    """Nodes that begin to change now."""
    rollout = app.spec.rollout
    places = _count(rollout.concurrency, len(views))
    if _is_trial(app, views):
        places = min(places, rollout.canaries - sum(view.phase is Phase.READY for view in views))
    free = places - sum(view.in_window for view in views)
    waiting = [view.name for view in views if view.online and view.phase is Phase.OUTDATED]
    return set(waiting[: max(0, free)])


def _threshold(app: App, views: Sequence[_View]) -> int:
    if _is_trial(app, views):
        return 1
    return min(_count(app.spec.rollout.failure_threshold, len(views)), len(views))


def _is_trial(app: App, views: Sequence[_View]) -> bool:
    """Whether nodes wait for canaries, of which too few are ready."""
    ready = sum(view.phase is Phase.READY for view in views)
    waiting = any(view.phase is Phase.OUTDATED for view in views)
    return waiting and ready < app.spec.rollout.canaries


def _count(given: int | str, selected: int) -> int:
    """A number of nodes, at least 1; a percentage is of the selected ones."""
    if isinstance(given, int):
        return given
    return max(1, -(-selected * int(given.rstrip("%")) // 100))


def _status(
    app: App, desired: DesiredApp, views: Sequence[_View], stopped: str, now: datetime
) -> AppStatus:
    failures = [failure for view in views if (failure := view.failure())]
    current = [view for view in views if view.phase not in {Phase.OUTDATED, Phase.REVERTED}]
    states = [view.instance.status.state for view in current if view.instance is not None]
    settled = {Phase.READY, Phase.FAILED, Phase.REVERTED}
    tally = Tally(
        selected=len(views),
        updated=len(current),
        running=states.count(AppState.RUNNING),
        ready=sum(view.phase is Phase.READY for view in views),
        failures=failures,
        offline=sum(not view.online for view in views),
        unfinished=sum(view.online and view.phase not in settled for view in views),
    )
    return summarize(app, desired.manifest.version, tally, stopped, now)


def _owner(app: App) -> OwnerReference:
    return OwnerReference(
        api_version=API_VERSION,
        kind=app.kind,
        name=app.metadata.name,
        uid=app.metadata.uid,
        controller=True,
    )


def _new_instance(app: App, node: str, desired: DesiredApp, now: datetime) -> AppInstance:
    name = app.metadata.name
    return AppInstance(
        metadata=Metadata(
            name=instance_name(name, node),
            namespace=app.metadata.namespace,
            labels={LABEL_APP: name, LABEL_NODE: node},
            owner_references=[_owner(app)],
        ),
        spec=AppInstanceSpec(app=name, node=node, desired=desired, changed=now),
    )
