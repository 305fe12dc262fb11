"""The status of what is rolled out, in numbers and in words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec import structs

from cloud.kinds.meta import Condition, Truth, set_conditions
from cloud.kinds.work import (
    AVAILABLE,
    DEGRADED,
    FAILURES_SHOWN,
    PROGRESSING,
    NodeFailure,
    Work,
    WorkStatus,
)

THRESHOLD_REACHED = "FailureThresholdReached"
MESSAGE_LIMIT = 1024
"""Characters of a condition's message."""


@dataclass(frozen=True)
class Tally:
    """The nodes of an attempt, counted."""

    selected: int
    updated: int
    running: int
    ready: int
    failures: Sequence[NodeFailure]
    offline: int
    """Nodes that cannot be changed now."""
    unfinished: int
    """Online nodes that are neither ready nor failed."""
    absent: str = "offline"
    """Why nodes cannot be changed now, in words."""


def summarize(work: Work, version: str, tally: Tally, stopped: str, now: datetime) -> WorkStatus:
    """The status while the spec is good; `stopped` names the attempt if it was stopped."""
    conditions = [
        _progressing(work, tally, stopped=bool(stopped)),
        _available(tally),
        _degraded(tally, stopped=bool(stopped)),
    ]
    return structs.replace(
        work.status,
        observed_generation=work.metadata.generation,
        version=version,
        selected=tally.selected,
        updated=tally.updated,
        running=tally.running,
        ready=tally.ready,
        failed=len(tally.failures),
        failures=list(tally.failures[:FAILURES_SHOWN]),
        stopped=stopped,
        conditions=set_conditions(work.status.conditions, conditions, now),
    )


def unusable(work: Work, reason: str, message: str, now: datetime) -> WorkStatus:
    """The status while the spec cannot be carried out; what nodes have stays."""
    text = message[:MESSAGE_LIMIT]
    available = next(
        (each for each in work.status.conditions if each.type == AVAILABLE),
        Condition(type=AVAILABLE, status=Truth.FALSE, reason=reason, message=text),
    )
    conditions = [
        Condition(type=PROGRESSING, status=Truth.FALSE, reason=reason, message=text),
        available,
        Condition(type=DEGRADED, status=Truth.TRUE, reason=reason, message=text),
    ]
    return structs.replace(
        work.status,
        observed_generation=work.metadata.generation,
        conditions=set_conditions(work.status.conditions, conditions, now),
    )


def _progressing(work: Work, tally: Tally, *, stopped: bool) -> Condition:
    if stopped:
        return Condition(
            type=PROGRESSING, status=Truth.FALSE, reason=THRESHOLD_REACHED, message=_story(tally)
        )
    if tally.unfinished and work.spec.rollout.paused:
        return Condition(
            type=PROGRESSING,
            status=Truth.FALSE,
            reason="Paused",
            message="spec.rollout.paused is true",
        )
    if tally.unfinished:
        text = f"{tally.ready} of {tally.selected} nodes ready, {tally.updated} updated"
        return Condition(
            type=PROGRESSING, status=Truth.TRUE, reason="RollingOut", message=text + _absent(tally)
        )
    return Condition(
        type=PROGRESSING,
        status=Truth.FALSE,
        reason="Complete" if tally.updated == tally.selected else "NodesOffline",
        message=f"{tally.updated} of {tally.selected} nodes have it" + _absent(tally),
    )


def _available(tally: Tally) -> Condition:
    text = f"{tally.ready} of {tally.selected} nodes ready" + _absent(tally)
    if tally.ready and not tally.unfinished and not tally.failures:
        return Condition(type=AVAILABLE, status=Truth.TRUE, reason="NodesReady", message=text)
    reason, message = "NodesNotReady", text
    if not tally.selected:
        reason = "NoNodes"
        message = "no node has the labels of spec.selector; see kubectl get nodes --show-labels"
    elif tally.offline == tally.selected:
        reason = "NodesOffline"
    return Condition(type=AVAILABLE, status=Truth.FALSE, reason=reason, message=message)


def _degraded(tally: Tally, *, stopped: bool) -> Condition:
    if stopped:
        return Condition(
            type=DEGRADED, status=Truth.TRUE, reason=THRESHOLD_REACHED, message=_story(tally)
        )
    if tally.failures and not tally.unfinished:
        return Condition(
            type=DEGRADED, status=Truth.TRUE, reason="NodesFailed", message=_story(tally)
        )
    return Condition(type=DEGRADED, status=Truth.FALSE, reason="AsExpected")


def _story(tally: Tally) -> str:
    """How many failed, and what the first one said."""
    text = f"{len(tally.failures)} of {tally.selected} nodes failed"
    if tally.failures:
        first = tally.failures[0]
        text += f"; {first.node}: {first.reason}: {first.message}"
    return text[:MESSAGE_LIMIT]


def _absent(tally: Tally) -> str:
    if not tally.offline:
        return ""
    return f"; {tally.offline} {tally.absent}, changed when they are back"
