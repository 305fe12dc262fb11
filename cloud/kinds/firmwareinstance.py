"""FirmwareInstance: one Firmware on one node. Its controller writes the spec, the hub the status."""

from datetime import datetime
from typing import ClassVar, Literal

from msgspec import structs

from cloud.kinds.columns import age
from cloud.kinds.meta import Metadata
from cloud.kinds.scheme import Column, Kind
from cloud.kinds.work import INSTANCE_NAME, Instance, InstanceSpec, InstanceStatus, readiness
from edge.wire import firmware
from edge.wire.firmware import DesiredFirmware, FirmwareState


class FirmwareInstanceSpec(InstanceSpec, frozen=True, kw_only=True):
    """What a microcontroller of the node shall run."""

    firmware: str
    desired: DesiredFirmware
    previous: DesiredFirmware | None = None

    @property
    def owner(self) -> str:
        """Name of the Firmware."""
        return self.firmware


class FirmwareInstanceStatus(InstanceStatus, frozen=True, kw_only=True):
    """What the node last said: edge.wire.firmware.FirmwareStatus and when."""

    state: FirmwareState = FirmwareState.WAITING
    microcontroller: str = ""
    slot: str = ""
    progress: int = 0
    """Percent of the image that is on the microcontroller."""
    attempts: int = 0
    """How often it was tried and did not succeed."""
    patched: bool = False
    """It came as a patch."""
    unpatched: str = ""
    """Why it was fetched and sent whole although there are patches."""
    fetched: int = 0
    """Bytes that came from the registry for it."""
    sent: int = 0
    """Bytes that went over the link for it."""


class FirmwareInstance(Instance, frozen=True, kw_only=True):
    """One Firmware on one node."""

    wire_kind: ClassVar[str] = "firmware"
    kind: Literal["FirmwareInstance"] = "FirmwareInstance"
    metadata: Metadata
    spec: FirmwareInstanceSpec
    status: FirmwareInstanceStatus = FirmwareInstanceStatus()


def observed(
    instance: FirmwareInstance,
    said: firmware.FirmwareStatus,
    generation: int,
    since: datetime,
    now: datetime,
) -> FirmwareInstance:
    """The instance with what its node said about `generation`; `since` is said.since_ns as UTC."""
    ready = said.state is FirmwareState.RUNNING
    ready_time, unready_time = readiness(
        instance.status, ready=ready, generation=generation, now=now
    )
    status = FirmwareInstanceStatus(
        observed_generation=generation,
        state=said.state,
        reason=said.reason,
        message=said.message,
        digest=said.digest,
        version=said.version,
        since=since,
        ready=ready,
        ready_time=ready_time,
        unready_time=unready_time,
        microcontroller=said.microcontroller,
        slot=said.slot,
        progress=said.progress,
        attempts=said.attempts,
        patched=said.patched,
        unpatched=said.unpatched,
        fetched=said.fetched,
        sent=said.sent,
    )
    return structs.replace(instance, status=status)


def _sent(status: FirmwareInstanceStatus) -> str:
    return f"{status.sent}{' by patch' if status.patched else ''}"


FIRMWARE_INSTANCE = Kind(
    type=FirmwareInstance,
    plural="firmwareinstances",
    short_names=("fwi",),
    name_pattern=INSTANCE_NAME,
    name_rule="the Firmware's name, a dot, the node's name",
    fields={
        "spec.firmware": lambda instance: instance.spec.firmware,
        "spec.node": lambda instance: instance.spec.node,
        "status.state": lambda instance: instance.status.state.value,
    },
    columns=(
        Column("Name", lambda instance, _: instance.metadata.name, "Firmware and node"),
        Column("Firmware", lambda instance, _: instance.spec.firmware, "the Firmware"),
        Column("Node", lambda instance, _: instance.spec.node, "the node"),
        Column(
            "Microcontroller",
            lambda instance, _: instance.status.microcontroller,
            "the node's name for it",
        ),
        Column(
            "State", lambda instance, _: instance.status.state.value, "what the node last said"
        ),
        Column("Progress", lambda instance, _: f"{instance.status.progress}%", "of the image"),
        Column("Version", lambda instance, _: instance.status.version, "version that runs"),
        Column("Slot", lambda instance, _: instance.status.slot, "where it runs from"),
        Column(
            "Age",
            lambda instance, now: age(instance.metadata.creation_timestamp, now),
            "since when",
        ),
        Column("Reason", lambda instance, _: instance.status.reason, "why it is in this state"),
        Column(
            "Sent", lambda instance, _: _sent(instance.status), "bytes over the link", priority=1
        ),
        Column(
            "Unpatched",
            lambda instance, _: instance.status.unpatched,
            "why the image was sent whole",
            priority=1,
        ),
        Column(
            "Message",
            lambda instance, _: instance.status.message,
            "what happened and what to do",
            priority=1,
        ),
    ),
)
