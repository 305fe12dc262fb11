"""Nodes with microcontrollers and Firmwares as values; images with the header that MCUboot reads."""

import hashlib
import struct
from typing import Any

from msgspec import structs

from cloud.kinds.firmware import Firmware, FirmwareSpec, Target
from cloud.kinds.firmwareinstance import FirmwareInstance, observed
from cloud.kinds.meta import Metadata
from cloud.kinds.node import Microcontroller, Node
from cloud.kinds.work import ArtifactRef, RolloutSpec
from edge.wire.firmware import FirmwareState, FirmwareStatus
from tests.support.fleet import NOW, node

CHIP = Microcontroller(name="probe", id="1", board="mps2", version="0.1.0", connected=True)


ANY = Target()


def firmware(generation: int = 1, target: Target = ANY, **rollout: Any) -> Firmware:
    """Without canaries and ten at a time, unless a test is about them."""
    return Firmware(
        metadata=Metadata(name="valve", namespace="default", uid="u-fw", generation=generation),
        spec=FirmwareSpec(
            artifact=ArtifactRef(repository="valve", reference="1"),
            microcontroller=target,
            rollout=RolloutSpec(**{"canaries": 0, "concurrency": 10, **rollout}),
        ),
    )


def node_with(name: str, *chips: Microcontroller, **more: Any) -> Node:
    made = node(name, **more)
    return structs.replace(
        made, status=structs.replace(made.status, microcontrollers=list(chips or (CHIP,)))
    )


def says(
    instance: FirmwareInstance, state: FirmwareState = FirmwareState.RUNNING, **more: Any
) -> FirmwareInstance:
    """The instance after its node spoke of the spec it has."""
    manifest = instance.spec.desired.manifest
    said = FirmwareStatus(
        state=state, **{"digest": manifest.digest, "version": manifest.version, **more}
    )
    return observed(instance, said, instance.metadata.generation, NOW, NOW)


def image(
    version: tuple[int, int, int] = (0, 2, 0), board: str | None = "mps2", program: bytes = b"code"
) -> bytes:
    """An image as `skerry firmware build` makes it."""
    value = board.encode() if board else b""
    values = struct.pack("<HH", 0x00A0, len(value)) + value if board else b""
    area = struct.pack("<HH", 0x6908, 4 + len(values)) + values if board else b""
    head = struct.pack(
        "<IIHHIIBBHII", 0x96F3B83D, 0, 32, len(area), len(program), 0, *version, 0, 0
    )
    covered = head + program + area
    digest = hashlib.sha256(covered).digest()
    return covered + struct.pack("<HHHH", 0x6907, 40, 0x0010, 32) + digest
