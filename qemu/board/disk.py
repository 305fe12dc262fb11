"""A layer that takes a board's writes, so that the image under it keeps its bytes."""

from pathlib import Path

from qemu.board.machine import DiskBus

_SECTOR = 512


def layer_size(base_size: int, bus: DiskBus) -> int:
    """Bytes that the board sees: an SD card's size is a power of two (SD, CSD register)."""
    if bus is DiskBus.SD:
        return 1 << max(base_size - 1, _SECTOR - 1).bit_length()
    return -(-base_size // _SECTOR) * _SECTOR


def layer_arguments(base: Path, layer: Path, size: int) -> list[str]:
    """What `qemu-img` makes a layer of `size` bytes over the raw image `base` with."""
    return ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(base), str(layer), str(size)]
