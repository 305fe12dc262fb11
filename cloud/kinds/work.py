"""What is carried to nodes by rollouts: what an App and a Firmware have in common.

A kind of work has a selector, an artifact and a rollout in its spec, and a status that counts nodes.
It has one instance on each node, which says what the node shall have and what it said of it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, field

from cloud.errors import Cause
from cloud.kinds.columns import age
from cloud.kinds.meta import (
    Condition,
    LabelKey,
    LabelValue,
    Model,
    Object,
    Truth,
    find_condition,
)
from cloud.kinds.scheme import Column
from edge.wire.messages import Digest

PROGRESSING = "Progressing"
AVAILABLE = "Available"
DEGRADED = "Degraded"
FAILURES_SHOWN = 10
"""Failed nodes in a status; the rest are counted."""
INSTANCE_NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


class Operator(Enum):
    """How a set-based requirement compares."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class Expression(Model, frozen=True, kw_only=True):
    """One set-based requirement on labels."""

    key: LabelKey
    operator: Operator
    values: Annotated[list[LabelValue], Meta(max_length=256)] = field(default_factory=list[str])


class LabelSelector(Model, frozen=True, kw_only=True):
    """All must hold; an empty one selects every node."""

    match_labels: Annotated[dict[LabelKey, LabelValue], Meta(max_length=64)] = field(
        default_factory=dict[str, str]
    )
    match_expressions: Annotated[list[Expression], Meta(max_length=64)] = field(
        default_factory=list[Expression]
    )


class ArtifactRef(Model, frozen=True, kw_only=True, omit_defaults=True):
    """An artifact in the registry: exactly one of `reference` (a tag) and `digest`."""

    repository: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*(/[a-z0-9]+([._-][a-z0-9]+)*)*$", max_length=255
        ),
    ]
    reference: Annotated[str, Meta(pattern=r"^([A-Za-z0-9_][A-Za-z0-9._-]{0,127})?$")] = ""
    digest: Digest | Literal[""] = ""
    """Of the OCI manifest."""

    @property
    def version(self) -> str:
        """The digest or else the tag."""
        return self.digest or self.reference


Percentage = Annotated[str, Meta(pattern=r"^([1-9]\d?|100)%$")]
"""Of the selected nodes, rounded up."""


class RolloutSpec(Model, frozen=True, kw_only=True):
    """How a change moves through the fleet."""

    canaries: Annotated[int, Meta(ge=0, le=10_000)] = 1
    """Nodes that change first; the others wait until these are ready. A failure of one stops all."""
    concurrency: Annotated[int, Meta(ge=1, le=10_000)] | Percentage = "10%"
    """Nodes that may be changing at one time."""
    failure_threshold: Annotated[int, Meta(ge=1)] | Percentage = 3
    """Failed nodes at which the rollout stops; a percentage is of the selected nodes."""
    min_ready_seconds: Annotated[float, Meta(ge=0, le=86400)] = 0.0
    """How long a node must have been ready before it makes room for the next."""
    progress_deadline_seconds: Annotated[float, Meta(ge=1, le=86400)] = 600.0
    """How long an online node may be neither ready nor failed; then it counts as failed."""
    paused: bool = False
    retry: Annotated[str, Meta(max_length=64)] = ""
    """Another text here tries again what was stopped. `deploy` writes which signatures it saw, so
    that what a node refused is tried again when it is signed anew."""


class WorkSpec(Model, frozen=True, kw_only=True):
    """What shall be where."""

    selector: LabelSelector = LabelSelector()
    artifact: ArtifactRef
    rollout: RolloutSpec = RolloutSpec()


class NodeFailure(Model, frozen=True, kw_only=True):
    """Why a node does not have it."""

    node: str
    reason: str
    message: str = ""


class WorkStatus(Model, frozen=True, kw_only=True):
    """Where the fleet is."""

    observed_generation: int = 0
    digest: str = ""
    """Of the OCI manifest that the artifact resolved to when this generation was first seen; a tag
    that moves later changes nothing until the spec changes."""
    version: str = ""
    selected: int = 0
    updated: int = 0
    """Nodes that are to have the present version."""
    running: int = 0
    ready: int = 0
    """Nodes that run the present version and are ready."""
    failed: int = 0
    failures: list[NodeFailure] = field(default_factory=list[NodeFailure])
    """The first ten."""
    stopped: str = ""
    """The attempt that was stopped at its failure threshold; see cloud.controllers.rollout."""
    conditions: list[Condition] = field(default_factory=list[Condition])


class Work(Object, frozen=True, kw_only=True):
    """An object that is carried to nodes."""

    spec: WorkSpec
    status: WorkStatus = WorkStatus()


class FailedAttempt(Model, frozen=True, kw_only=True):
    """A change that failed here and was taken back; it is not tried again."""

    attempt: str
    reason: str
    message: str = ""


class InstanceSpec(Model, frozen=True, kw_only=True):
    """What one node shall have; a kind names the type of `desired` and `previous`."""

    node: str
    desired: Any
    previous: Any = None
    """The last one that was ready here: what to go back to."""
    failed: FailedAttempt | None = None
    changed: datetime | None = None
    """When `desired` became another version, by the cloud's clock."""

    @property
    def owner(self) -> str:
        """Name of the object it belongs to, which is also what the node calls it."""
        raise NotImplementedError


class InstanceStatus(Model, frozen=True, kw_only=True):
    """What the node last said; a kind names the type of `state`."""

    observed_generation: int = 0
    state: Enum
    reason: str = ""
    message: str = ""
    digest: str = ""
    version: str = ""
    since: datetime | None = None
    """When this state began, by the node's clock."""
    ready: bool = False
    ready_time: datetime | None = None
    """When it became ready, by the cloud's clock."""
    unready_time: datetime | None = None
    """When it was ready no more, by the cloud's clock."""


class Instance(Object, frozen=True, kw_only=True):
    """One piece of work on one node."""

    wire_kind: ClassVar[str]
    """What the node knows it as."""
    spec: InstanceSpec
    status: InstanceStatus


def instance_name(owner: str, node: str) -> str:
    """Name of the instance of `owner` on `node`."""
    return f"{owner}.{node}"


def readiness(
    old: InstanceStatus, *, ready: bool, generation: int, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """When it became ready, and when it ceased to be, after a node spoke of `generation`."""
    held = old.ready and old.observed_generation == generation
    moment = now.replace(microsecond=0)
    if ready:
        return (old.ready_time if held else moment), None
    return None, moment if old.ready else old.unready_time


def check_spec(spec: WorkSpec) -> Iterable[Cause]:
    """What types cannot say of selector and artifact."""
    if bool(spec.artifact.reference) == bool(spec.artifact.digest):
        yield Cause(
            "spec.artifact",
            "give exactly one of reference (a tag) and digest (sha256:…); "
            "to change from one to the other set the old one to null",
        )
    for index, expression in enumerate(spec.selector.match_expressions):
        wants = expression.operator in {Operator.IN, Operator.NOT_IN}
        if wants != bool(expression.values):
            yield Cause(
                f"spec.selector.matchExpressions[{index}].values",
                "give values with In and NotIn, and none with Exists and DoesNotExist",
            )


def summary_columns(what: str) -> Sequence[Column[Any]]:
    """Columns that tell how a rollout of `what` stands."""
    return (
        Column("Name", lambda work, _: work.metadata.name, f"name of the {what}"),
        Column(
            "Ready",
            lambda work, _: f"{work.status.ready}/{work.status.selected}",
            "nodes ready with the present version, of all selected",
        ),
        Column("Version", lambda work, _: work.status.version, "version of the manifest"),
        Column("Status", _state, "the most telling condition"),
        Column("Age", lambda work, now: age(work.metadata.creation_timestamp, now), "since when"),
        Column(
            "Updated",
            lambda work, _: work.status.updated,
            "nodes that are to have the present version",
            type="integer",
            priority=1,
        ),
        Column(
            "Failed",
            lambda work, _: work.status.failed,
            "failed nodes",
            type="integer",
            priority=1,
        ),
        Column(
            "Artifact",
            lambda work, _: f"{work.spec.artifact.repository}:{work.spec.artifact.version}",
            "what it runs",
            priority=1,
        ),
    )


def _state(work: Work, _now: datetime) -> str:
    """The most telling condition in one word."""
    conditions = work.status.conditions
    degraded = find_condition(conditions, DEGRADED)
    if degraded is not None and degraded.status is Truth.TRUE:
        return degraded.reason
    progressing = find_condition(conditions, PROGRESSING)
    if progressing is not None and progressing.status is Truth.TRUE:
        return "Progressing"
    if work.spec.rollout.paused:
        return "Paused"
    available = find_condition(conditions, AVAILABLE)
    if available is not None and available.status is Truth.TRUE:
        return "Available"
    return available.reason if available is not None else "Pending"
