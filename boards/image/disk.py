"""The image file: partition table, boot partition, slots; the same bytes for the same content."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from boards.board import Layout, PartitionKind, Place, Role
from boards.image.errors import SpaceError
from boards.image.tools import run

EPOCH = 1_767_225_600
"""Every time in an image: 2026-01-01T00:00:00Z."""
LABEL = "SKERRY"
"""How a board finds its disk, whatever the kernel calls it."""
SECTOR = 512
_VOLUME_ID = "534b5259"
_CHUNK = 64 << 10


def make_squashfs(tree: Path, out: Path) -> None:
    """A read-only file system of `tree`; all files belong to root."""
    out.unlink(missing_ok=True)
    run(
        [
            *("mksquashfs", tree, out, "-noappend", "-no-progress", "-quiet", "-all-root"),
            *("-comp", "zstd", "-Xcompression-level", "19", "-b", "128K", "-no-xattrs"),
            *("-no-exports", "-mkfs-time", str(EPOCH), "-all-time", str(EPOCH)),
        ]
    )


def make_fat(files: Mapping[str, bytes], out: Path, size: int, work: Path) -> None:
    """A FAT32 file system with these files, by path."""
    out.unlink(missing_ok=True)
    with out.open("wb") as file:
        file.truncate(size)
    run(["mkfs.vfat", "-F", "32", "--invariant", "-i", _VOLUME_ID, "-n", LABEL, out])
    needed = sum(len(data) for data in files.values())
    if needed > size - (4 << 20):
        raise SpaceError(f"boot partition: {needed >> 20} MiB of files, {size >> 20} MiB of room")
    at_epoch = {"SOURCE_DATE_EPOCH": str(EPOCH), "MTOOLS_SKIP_CHECK": "1"}
    folders = sorted({f"{Path(name).parent}" for name in files} - {"."})
    for folder in folders:
        run(["mmd", "-i", out, f"::/{folder}"], extra=at_epoch)
    for name, data in sorted(files.items()):
        source = work / "file"
        source.write_bytes(data)
        run(["mcopy", "-i", out, source, f"::/{name}"], extra=at_epoch)


def assemble(layout: Layout, parts: Mapping[Role, Path], out: Path, signature: bytes) -> None:
    """Write the image, with holes where nothing is; `signature` (4 bytes) names the disk.

    `out` appears whole or not at all.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("wb") as disk:
            disk.truncate(layout.size)
            disk.write(partition_table(layout, signature))
            for place in layout.places():
                source = parts.get(place.partition.role)
                if source is None:
                    continue
                length = source.stat().st_size
                if length > place.length:
                    raise SpaceError(
                        f"{place.partition.role.value}: {length / 2**20:.1f} MiB, "
                        f"its partition has {place.length >> 20}"
                    )
                _copy(source, disk, place.start)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def partition_table(layout: Layout, signature: bytes) -> bytes:
    """The master boot record: sector 0 of the disk."""
    entries = b"".join(_entry(place) for place in layout.places())
    return bytes(440) + signature + bytes(2) + entries.ljust(64, b"\0") + b"\x55\xaa"


def _copy(source: Path, disk: BinaryIO, at: int) -> None:
    with source.open("rb") as data:
        while chunk := data.read(_CHUNK):
            if chunk.count(0) != len(chunk):
                disk.seek(at)
                disk.write(chunk)
            at += len(chunk)


def _entry(place: Place) -> bytes:
    active = 0x80 if place.partition.kind is PartitionKind.FAT else 0
    no_chs = b"\xfe\xff\xff"
    return struct.pack(
        "<B3sB3sII",
        active,
        no_chs,
        place.partition.kind.mbr_type,
        no_chs,
        place.start // SECTOR,
        place.length // SECTOR,
    )
