"""The disk that takes a board's writes, so that the image under it keeps its bytes.

It must hold after a killed QEMU what the board had been told is written. A virtio disk is told to
flush; an SD card knows no such command, and QEMU would keep the places of a qcow2 layer's blocks
in its memory. So a card is a copy, holes and all, and any other disk a qcow2 layer.
"""

import subprocess
from pathlib import Path

from qemu.board.errors import BootError
from qemu.board.machine import DiskBus
from qemu.board.programs import Programs

_SECTOR = 512


def layer_size(base_size: int, bus: DiskBus) -> int:
    """Bytes that the board sees: an SD card's size is a power of two (SD, CSD register)."""
    if bus is DiskBus.SD:
        return 1 << max(base_size - 1, _SECTOR - 1).bit_length()
    return -(-base_size // _SECTOR) * _SECTOR


def layer_format(bus: DiskBus) -> str:
    """QEMU's name of what `make_layer` makes."""
    return "raw" if bus is DiskBus.SD else "qcow2"


def make_layer(programs: Programs, base: Path, layer: Path, bus: DiskBus) -> None:
    """Make `layer` over, or of, the raw image `base`; raises BootError."""
    size = layer_size(base.stat().st_size, bus)
    if bus is DiskBus.SD:
        _run(base, ["cp", "--sparse=always", "--reflink=auto", str(base), str(layer)])
        layer.chmod(0o600)
        with layer.open("r+b") as card:
            card.truncate(size)
        return
    above = ["-f", "qcow2", "-F", "raw", "-b", str(base.absolute())]
    _run(base, programs.argv("qemu-img", ["create", "-q", *above, str(layer), str(size)]))


def _run(base: Path, command: list[str]) -> None:
    done = subprocess.run(  # noqa: S603 - argv, no shell
        command, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BootError(f"no disk of {base}: {done.stderr.strip()}")
