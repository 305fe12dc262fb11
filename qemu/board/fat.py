"""A disk with one FAT16 partition that a boot loader reads: files in, the same bytes every time.

Files lie in the root, each in one run of clusters, under names of eight and three capitals. FAT
as Microsoft's specification of 2000 has it; the disk's table is an MBR.
"""

import struct
from collections.abc import Mapping

from qemu.board.errors import ImageError

_SECTOR = 512
_FIRST_SECTOR = 2048
"""Where the partition starts: a mebibyte in, as partitioning programs have it."""
_CLUSTER = 8 * _SECTOR
_CLUSTERS = 32_768
"""128 MB: enough for a kernel and an initramfs, within the 4,085 to 65,524 of FAT16."""
_TABLE_SECTORS = -(-(_CLUSTERS + 2) * 2 // _SECTOR)
_ROOT_ENTRIES = 512
_ROOT_SECTORS = _ROOT_ENTRIES * 32 // _SECTOR
_SECTORS = 1 + 2 * _TABLE_SECTORS + _ROOT_SECTORS + _CLUSTERS * _CLUSTER // _SECTOR
_MEDIA = 0xF8  # a fixed disk
_LAST = 0xFFFF
_1980 = 0x21  # 1 January 1980, the oldest date there is


def boot_disk(files: Mapping[str, bytes]) -> bytes:
    """The disk, up to its last byte that is not zero; `SIZE` tells how long it is.

    `files` by name, `VMLINUZ` or `BOOT.SCR`. Raises ImageError when they do not fit.
    """
    table = [0xFF00 | _MEDIA, _LAST]
    root = bytearray()
    data = bytearray()
    for name, content in files.items():
        clusters = -(-len(content) // _CLUSTER)
        first = len(table) if clusters else 0
        table += [*range(first + 1, first + clusters), _LAST] if clusters else []
        data += content.ljust(clusters * _CLUSTER, b"\0")
        root += _entry(name, first, len(content))
    if len(table) > _CLUSTERS + 2 or len(root) > _ROOT_ENTRIES * 32:
        raise ImageError(f"{len(data)} bytes do not fit on a boot disk of {SIZE}")
    packed = struct.pack(f"<{len(table)}H", *table).ljust(_TABLE_SECTORS * _SECTOR, b"\0")
    partition = _boot_sector() + packed * 2 + root.ljust(_ROOT_SECTORS * _SECTOR, b"\0") + data
    return _partition_table().ljust(_FIRST_SECTOR * _SECTOR, b"\0") + partition


SIZE = (_FIRST_SECTOR + _SECTORS) * _SECTOR
"""Bytes of the whole disk."""


def _partition_table() -> bytes:
    lba_only = b"\xfe\xff\xff"
    active, fat16 = 0x80, 0x0E
    entry = struct.pack("<B3sB3sII", active, lba_only, fat16, lba_only, _FIRST_SECTOR, _SECTORS)
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"


def _boot_sector() -> bytes:
    parameters = struct.pack(
        "<3s8sHBHBHHBHHHII",
        *(b"\xeb\x3c\x90", b"BOARD   ", _SECTOR, _CLUSTER // _SECTOR, 1, 2, _ROOT_ENTRIES, 0),
        *(_MEDIA, _TABLE_SECTORS, 63, 255, _FIRST_SECTOR, _SECTORS),
    )
    extended = struct.pack("<BBBI11s8s", 0x80, 0, 0x29, 0, b"NO NAME    ", b"FAT16   ")
    return (parameters + extended).ljust(_SECTOR - 2, b"\0") + b"\x55\xaa"


def _entry(name: str, first: int, size: int) -> bytes:
    stem, _, suffix = name.partition(".")
    short = f"{stem:8}{suffix:3}".encode()
    archive = 0x20
    return struct.pack("<11sB10xHHHI", short, archive, 0, _1980, first, size)
