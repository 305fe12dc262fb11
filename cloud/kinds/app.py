"""App: which artifact runs on which nodes, with which hardware, and how a change is rolled out."""

from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from cloud.errors import Cause
from cloud.kinds.columns import age
from cloud.kinds.meta import (
    Condition,
    LabelKey,
    LabelValue,
    Metadata,
    Model,
    Object,
    Truth,
    find_condition,
)
from cloud.kinds.scheme import Column, Kind
from edge.wire.manifest import Key, Limits, Name, Restart
from edge.wire.messages import Digest, Scalar

PROGRESSING = "Progressing"
AVAILABLE = "Available"
DEGRADED = "Degraded"
FAILURES_SHOWN = 10
"""Failed nodes in an App's status; the rest are counted."""


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


class AppSpec(Model, frozen=True, kw_only=True):
    """What shall run where."""

    selector: LabelSelector = LabelSelector()
    artifact: ArtifactRef
    grants: Annotated[
        dict[Name, Annotated[str, Meta(min_length=1, max_length=128)]], Meta(max_length=64)
    ] = field(default_factory=dict[str, str])
    twin: Annotated[dict[Key, Scalar], Meta(max_length=64)] = field(
        default_factory=dict[str, Scalar]
    )
    limits: dict[str, int | float] = field(default_factory=dict[str, int | float])
    """Fields of the manifest's limits to replace."""
    restart: dict[str, str | int | float] = field(default_factory=dict[str, str | int | float])
    """Fields of the manifest's restart policy to replace."""
    rollout: RolloutSpec = RolloutSpec()


class NodeFailure(Model, frozen=True, kw_only=True):
    """Why an App does not run on one node."""

    node: str
    reason: str
    message: str = ""


class AppStatus(Model, frozen=True, kw_only=True):
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


class App(Object, frozen=True, kw_only=True):
    """Which artifact runs on which nodes."""

    kind: Literal["App"] = "App"
    metadata: Metadata
    spec: AppSpec
    status: AppStatus = AppStatus()


def merged(base: Any, overrides: dict[str, Any]) -> Any:
    """A frozen Struct with some fields replaced; raises msgspec.ValidationError."""
    return msgspec.convert({**msgspec.to_builtins(base), **overrides}, type(base))


def _validate(app: App) -> Iterable[Cause]:
    artifact = app.spec.artifact
    if bool(artifact.reference) == bool(artifact.digest):
        yield Cause(
            "spec.artifact",
            "give exactly one of reference (a tag) and digest (sha256:…); "
            "to change from one to the other set the old one to null",
        )
    for name, base, overrides in (
        ("limits", Limits(), app.spec.limits),
        ("restart", Restart(), app.spec.restart),
    ):
        yield from _check_overrides(name, base, overrides)
    for index, expression in enumerate(app.spec.selector.match_expressions):
        wants = expression.operator in {Operator.IN, Operator.NOT_IN}
        if wants != bool(expression.values):
            yield Cause(
                f"spec.selector.matchExpressions[{index}].values",
                "give values with In and NotIn, and none with Exists and DoesNotExist",
            )


def _check_overrides(name: str, base: Struct, overrides: dict[str, Any]) -> Iterable[Cause]:
    try:
        merged(base, overrides)
    except msgspec.ValidationError as error:
        text, _, path = str(error).rpartition(" - at `$")
        yield Cause(f"spec.{name}{path.rstrip('`')}", text or str(error))


def _state(app: App, _now: datetime) -> str:
    """The most telling condition in one word."""
    conditions = app.status.conditions
    degraded = find_condition(conditions, DEGRADED)
    if degraded is not None and degraded.status is Truth.TRUE:
        return degraded.reason
    progressing = find_condition(conditions, PROGRESSING)
    if progressing is not None and progressing.status is Truth.TRUE:
        return "Progressing"
    if app.spec.rollout.paused:
        return "Paused"
    available = find_condition(conditions, AVAILABLE)
    if available is not None and available.status is Truth.TRUE:
        return "Available"
    return available.reason if available is not None else "Pending"


APP = Kind(
    type=App,
    plural="apps",
    short_names=(),
    validate=_validate,
    columns=(
        Column("Name", lambda app, _: app.metadata.name, "name of the App"),
        Column(
            "Ready",
            lambda app, _: f"{app.status.ready}/{app.status.selected}",
            "nodes ready with the present version, of all selected",
        ),
        Column("Version", lambda app, _: app.status.version, "version of the manifest"),
        Column("Status", _state, "the most telling condition"),
        Column("Age", lambda app, now: age(app.metadata.creation_timestamp, now), "since when"),
        Column(
            "Updated",
            lambda app, _: app.status.updated,
            "nodes that are to have the present version",
            type="integer",
            priority=1,
        ),
        Column(
            "Failed", lambda app, _: app.status.failed, "failed nodes", type="integer", priority=1
        ),
        Column(
            "Artifact",
            lambda app, _: f"{app.spec.artifact.repository}:{app.spec.artifact.version}",
            "what it runs",
            priority=1,
        ),
    ),
)
