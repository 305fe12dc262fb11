"""Firmware: which image the microcontrollers of which nodes run, and how a change is rolled out."""

from collections.abc import Iterable
from typing import Literal

from cloud.errors import Cause
from cloud.kinds.meta import Metadata, Model
from cloud.kinds.scheme import Column, Kind
from cloud.kinds.work import Work, WorkSpec, WorkStatus, check_spec, summary_columns
from edge.wire.firmware import MaybeName


class Target(Model, frozen=True, kw_only=True):
    """Which microcontroller of a node it is for; left empty, the only one of the image's board."""

    name: MaybeName = ""
    """By the node's name for it: `skerry describe node`."""
    board: MaybeName = ""
    """What it must be; an image of another board is then not rolled out at all."""


class FirmwareSpec(WorkSpec, frozen=True, kw_only=True):
    """What shall run where."""

    microcontroller: Target = Target()


class FirmwareStatus(WorkStatus, frozen=True, kw_only=True):
    """Where the fleet is."""

    board: str = ""
    """What the image is built for."""
    progress: int = 0
    """Percent that the updated nodes have on their microcontrollers, on average."""


class Firmware(Work, frozen=True, kw_only=True):
    """Which image runs on the microcontrollers of which nodes."""

    kind: Literal["Firmware"] = "Firmware"
    metadata: Metadata
    spec: FirmwareSpec
    status: FirmwareStatus = FirmwareStatus()


def _validate(firmware: Firmware) -> Iterable[Cause]:
    return check_spec(firmware.spec)


FIRMWARE = Kind(
    type=Firmware,
    plural="firmwares",
    short_names=("fw",),
    validate=_validate,
    columns=(
        *summary_columns("Firmware"),
        Column("Board", lambda each, _: each.status.board, "what the image is built for"),
        Column(
            "Progress",
            lambda each, _: f"{each.status.progress}%",
            "of the image, on the updated nodes on average",
            priority=1,
        ),
    ),
)
