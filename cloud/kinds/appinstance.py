"""AppInstance: one App on one node. The App controller writes its spec, the hub its status."""

from datetime import datetime
from typing import ClassVar, Literal

from msgspec import field, structs

from cloud.kinds.columns import age
from cloud.kinds.meta import Metadata
from cloud.kinds.scheme import Column, Kind
from cloud.kinds.work import INSTANCE_NAME, Instance, InstanceSpec, InstanceStatus, readiness
from edge.wire import messages
from edge.wire.messages import AppState, DesiredApp, Scalar


class AppInstanceSpec(InstanceSpec, frozen=True, kw_only=True):
    """What the node shall run."""

    app: str
    desired: DesiredApp
    previous: DesiredApp | None = None

    @property
    def owner(self) -> str:
        """Name of the App."""
        return self.app


class AppInstanceStatus(InstanceStatus, frozen=True, kw_only=True):
    """What the node last said: edge.wire.messages.AppStatus and when."""

    state: AppState = AppState.PENDING
    restarts: int = 0
    exit_code: int | None = None
    twin: dict[str, Scalar] = field(default_factory=dict[str, Scalar])
    dropped_records: int = 0
    dropped_lines: int = 0


class AppInstance(Instance, frozen=True, kw_only=True):
    """One App on one node."""

    wire_kind: ClassVar[str] = "app"
    kind: Literal["AppInstance"] = "AppInstance"
    metadata: Metadata
    spec: AppInstanceSpec
    status: AppInstanceStatus = AppInstanceStatus()


def observed(
    instance: AppInstance,
    said: messages.AppStatus,
    generation: int,
    since: datetime,
    now: datetime,
) -> AppInstance:
    """The instance with what its node said about `generation`; `since` is said.since_ns as UTC."""
    old = instance.status
    ready_time, unready_time = readiness(old, ready=said.ready, generation=generation, now=now)
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
    name_pattern=INSTANCE_NAME,
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
