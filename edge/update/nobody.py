"""Firmware on a node whose board file names no microcontroller: it waits, and nothing is loaded for it."""

from collections.abc import Mapping
from typing import Protocol

from edge.wire.codec import encode_attached, encode_firmware_status
from edge.wire.firmware import AttachedStatus, DesiredFirmware, FirmwareState, FirmwareStatus
from edge.wire.messages import StatusItem

KIND = "firmware"
ATTACHED = "microcontrollers"


class Updates(Protocol):
    """What a node asks of whoever updates its microcontrollers: `edge.update.reconciler`."""

    def resume(self) -> None:
        """Take up what the disk remembers; call before `want`."""
        ...

    def want(self, wanted: Mapping[str, tuple[DesiredFirmware, int]], /) -> None:
        """Install these, and only these."""
        ...

    def items(self) -> list[StatusItem]:
        """Every status, and who is attached."""
        ...


class Nobody:
    """Nothing is ever attached."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._wanted: dict[str, int] = {}

    def resume(self) -> None:
        """There is nothing to remember."""

    def want(self, wanted: Mapping[str, tuple[DesiredFirmware, int]], /) -> None:
        """It waits for another board file."""
        self._wanted = {name: generation for name, (_, generation) in wanted.items()}

    def items(self) -> list[StatusItem]:
        """Everything waits; nobody is attached, whatever was before."""
        waiting = encode_firmware_status(
            FirmwareStatus(
                state=FirmwareState.WAITING,
                reason="NotAttached",
                message="the board file of this node names no microcontroller: [mcu.NAME]",
            )
        )
        found = [
            StatusItem(kind=KIND, name=name, generation=generation, status=waiting)
            for name, generation in self._wanted.items()
        ]
        nobody = encode_attached(AttachedStatus())
        found.append(StatusItem(kind=ATTACHED, name=self._node, generation=0, status=nobody))
        return found
