"""AppInstance: one App on one node. The App controller writes its spec, the hub its status."""

from datetime import datetime
from typing import Literal

from msgspec import field, structs

from cloud.kinds.columns import age
from cloud.kinds.meta import Metadata, Model, Object
from cloud.kinds.scheme import Column, Kind
from edge.wire import messages
from edge.wire.messages import AppState, DesiredApp, Scalar


class FailedAttempt(Model, frozen=True, kw_only=True):
    """A change that failed here and was taken back; it is not tried again."""

    attempt: str
    reason: str
    message: str = ""


class AppInstanceSpec(Model, frozen=True, kw_only=True):
    """What the node shall run."""

    app: str
    node: str
    desired: DesiredApp
    previous: DesiredApp | None = None
    """The last one that was ready here: what to go back to."""
    failed: FailedAttempt | None = None
    changed: datetime | None = None
    """When `desired` became another version, by the cloud's clock."""


class AppInstanceStatus(Model, frozen=True, kw_only=True):
    """What the node last said: edge.wire.messages.AppStatus and when."""

    observed_generation: int = 0
    state: AppState = AppState.PENDING
    reason: str = ""
    message: str = ""
    digest: str = ""
    version: str = ""
    restarts: int = 0
    exit_code: int | None = None
    since: datetime | None = None
    """When this state began, by the node's clock."""
    ready: bool = False
    ready_time: datetime | None = None
    """When it became ready, by the cloud's clock."""
    unready_time: datetime | None = None
    """When it was ready no more, by the cloud's clock."""
    twin: dict[str, Scalar] = field(default_factory=dict[str, Scalar])
    dropped_records: int = 0
    dropped_lines: int = 0


class AppInstance(Object, frozen=True, kw_only=True):
    """One App on one node."""

    kind: Literal["AppInstance"] = "AppInstance"
    metadata: Metadata
    spec: AppInstanceSpec
    status: AppInstanceStatus = AppInstanceStatus()


def instance_name(app: str, node: str) -> str:
    """Name of the instance of `app` on `node`."""
    return f"{app}.{node}"


def observed(
    instance: AppInstance,
    said: messages.AppStatus,
    generation: int,
    since: datetime,
    now: datetime,
) -> AppInstance:
    """The instance with what its node said about `generation`; `since` is said.since_ns as UTC."""
    old = instance.status
    held = old.ready and old.observed_generation == generation
    moment = now.replace(microsecond=0)
    ready_time = (old.ready_time if held else moment) if said.ready else None
    unready_time = None if said.ready else moment if old.ready else old.unready_time
    status = AppInstanceStatus(
        observed_generation=generation,
        state=said.state,
        reason=said.reason,
        message=said.message,
        digest=said.digest,
        version=said.version,
        restarts=said.restarts,
        exit_code=said.exit_code,
        since=since,
        ready=said.ready,
        ready_time=ready_time,
        unready_time=unready_time,
        twin=said.twin,
        dropped_records=said.dropped_records,
        dropped_lines=said.dropped_lines,
    )
    return structs.replace(instance, status=status)


APP_INSTANCE = Kind(
    type=AppInstance,
    plural="appinstances",
    short_names=("inst",),
    name_pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
    name_rule="the App's name, a dot, the node's name",
    fields={
        "spec.app": lambda instance: instance.spec.app,
        "spec.node": lambda instance: instance.spec.node,
        "status.state": lambda instance: instance.status.state.value,
    },
    columns=(
        Column("Name", lambda instance, _: instance.metadata.name, "App and node"),
        Column("App", lambda instance, _: instance.spec.app, "the App"),
        Column("Node", lambda instance, _: instance.spec.node, "the node"),
        Column(
            "State", lambda instance, _: instance.status.state.value, "what the node last said"
        ),
        Column(
            "Restarts",
            lambda instance, _: instance.status.restarts,
            "starts after the first",
            type="integer",
        ),
        Column("Version", lambda instance, _: instance.status.version, "version that runs"),
        Column(
            "Age",
            lambda instance, now: age(instance.metadata.creation_timestamp, now),
            "since when",
        ),
        Column("Reason", lambda instance, _: instance.status.reason, "why it is in this state"),
        Column(
            "Message",
            lambda instance, _: instance.status.message,
            "what happened and what to do",
            priority=1,
        ),
    ),
)
