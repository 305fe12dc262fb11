"""What a rollout must know of firmware. Pure.

A node whose microcontroller is not attached is left alone as one that is offline is: it takes no
place in the window, has no deadline, and is a candidate like any other once it is back.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import structs

from cloud.controllers.craft import Craft, SpecError
from cloud.kinds.firmware import Firmware, FirmwareSpec, FirmwareStatus
from cloud.kinds.firmwareinstance import FirmwareInstance, FirmwareInstanceSpec
from cloud.kinds.meta import LABEL_FIRMWARE
from cloud.kinds.node import Node, is_ready
from cloud.kinds.work import WorkStatus
from cloud.registry.artifacts import ResolvedFirmware
from edge.wire.firmware import DesiredFirmware, FirmwareState

_ENDED_BADLY = frozenset({FirmwareState.ROLLED_BACK, FirmwareState.REFUSED, FirmwareState.FAILED})
_WHOLE = 100


class FirmwareCraft(Craft[Firmware, FirmwareInstance]):
    """Firmware of one microcontroller a node."""

    work = Firmware
    instance = FirmwareInstance
    label = LABEL_FIRMWARE
    absent = "offline or without the microcontroller"

    def make(self, work: Firmware, node: str, desired: Any, now: datetime) -> FirmwareInstance:
        """As `Craft` says."""
        spec = FirmwareInstanceSpec(
            firmware=work.metadata.name, node=node, desired=desired, changed=now
        )
        return FirmwareInstance(metadata=self.frame(work, node), spec=spec)

    def reachable(
        self, work: Firmware, desired: Any, node: Node, instance: FirmwareInstance | None
    ) -> bool:
        """Connected, with the microcontroller.

        An instance says so itself: while a microcontroller starts anew with what it was given, the
        node's list does not show it, and it is at work all the same.
        """
        if not is_ready(node):
            return False
        if instance is not None:
            current = instance.status.observed_generation == instance.metadata.generation
            return not (current and instance.status.state is FirmwareState.WAITING)
        name, board = work.spec.microcontroller.name, desired.manifest.board
        return any(
            chip.connected and (chip.name == name if name else chip.board == board)
            for chip in node.status.microcontrollers
        )

    def is_held(self, instance: FirmwareInstance) -> bool:
        """Nobody holds firmware."""
        _ = instance
        return False

    def is_running(self, instance: FirmwareInstance) -> bool:
        """As `Craft` says."""
        return instance.status.state is FirmwareState.RUNNING

    def has_failed(self, instance: FirmwareInstance) -> bool:
        """Whether the node has given it up."""
        return instance.status.state in _ENDED_BADLY

    def is_good(self, instance: FirmwareInstance) -> bool:
        """Whether the microcontroller runs it and has confirmed it."""
        manifest = instance.spec.desired.manifest
        status = instance.status
        same = (status.digest, status.version) == (manifest.digest, manifest.version)
        return same and status.ready

    def matters(self, node: Node) -> object:
        """Which microcontrollers it has."""
        return [(each.name, each.board, each.connected) for each in node.status.microcontrollers]

    def told(
        self, status: WorkStatus, desired: Any, current: Sequence[FirmwareInstance]
    ) -> WorkStatus:
        """With the image's board, and how far it is."""
        assert isinstance(status, FirmwareStatus)  # noqa: S101 - for the type checker
        done = [_WHOLE if self.is_good(each) else each.status.progress for each in current]
        mean = sum(done) // len(done) if done else 0
        return structs.replace(status, board=desired.manifest.board, progress=mean)


FIRMWARES = FirmwareCraft()


def desired_firmware(spec: FirmwareSpec, resolved: ResolvedFirmware) -> DesiredFirmware:
    """What a microcontroller of each selected node shall run; raises SpecError naming the field."""
    board = spec.microcontroller.board
    if board and board != resolved.manifest.board:
        raise SpecError(
            "WrongBoard",
            f"spec.microcontroller.board: {board}; the image is built for "
            f"{resolved.manifest.board}, so it is rolled out nowhere",
        )
    return DesiredFirmware(
        manifest=resolved.manifest,
        image=resolved.image,
        microcontroller=spec.microcontroller.name,
        signature=resolved.signature,
        patches=resolved.patches,
    )
