"""What to write where: regions of an image and the pieces that they are written in. Pure.

A hole of a sparse image reads as zeros, so it is written as zeros: file systems rely on them (an
ext4 inode table, for one). Only a block map, made by who built the image, says what may be skipped.
The head, with the partition table, comes last: a card that was not finished does not boot.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from boards.errors import ImageError

SECTOR = 512
BLOCK = 4096
"""Regions are widened to this; no device in use has larger sectors, and O_DIRECT wants them."""
CHUNK = 4 << 20
"""Bytes of one write; erase blocks of cards are at most this, and it is the memory used."""
ZERO_CHUNK = 64 << 20
"""Bytes of one request for zeros; a slow card then answers Ctrl-C within some seconds."""
HEAD = 1 << 20
"""Bytes kept for the end; the first partition of every layout begins at or after it."""
IMAGE_LIMIT = 2 << 40
"""Bytes; an MBR ends there."""


class Fill(Enum):
    """What a region holds."""

    DATA = "data"
    ZERO = "zero"


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes from `start` on, all to be copied or all zero."""

    start: int
    length: int
    fill: Fill

    @property
    def end(self) -> int:
        """First byte behind it."""
        return self.start + self.length


def regions_of_sparse(size: int, extents: Iterable[tuple[int, int]]) -> Sequence[Region]:
    """The whole image; `extents` are the (start, end) that hold data, in order (SEEK_DATA)."""
    check_size(size)
    return list(_filled(size, _widened(size, extents)))


def regions_of_map(size: int, extents: Iterable[tuple[int, int]]) -> Sequence[Region]:
    """Only what a block map lists; the rest of the card keeps what it had."""
    check_size(size)
    return [Region(start, end - start, Fill.DATA) for start, end in _widened(size, extents)]


def check_size(size: int) -> None:
    """Raises ImageError for a size that no image of a disk has."""
    if size == 0:
        raise ImageError("the image is empty")
    if size % SECTOR:
        raise ImageError(
            f"the image has {size} bytes, no multiple of {SECTOR}: cut short, or not an image"
        )
    if size > IMAGE_LIMIT:
        raise ImageError(f"the image has {size} bytes; at most {IMAGE_LIMIT}")


def chunks(region: Region) -> Iterator[Region]:
    """The region in pieces small enough to be interrupted between."""
    step = CHUNK if region.fill is Fill.DATA else ZERO_CHUNK
    at = region.start
    while at < region.end:
        stop = min(region.end, next_stop(at, step))
        yield Region(at, stop - at, region.fill)
        at = stop


def next_stop(at: int, step: int = CHUNK) -> int:
    """Where a piece that begins at `at` ends: a multiple of `step`, and never across the head."""
    stop = (at // step + 1) * step
    return HEAD if at < HEAD < stop else stop


def _widened(size: int, extents: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Extents grown to whole blocks; those that then touch are one."""
    held: tuple[int, int] | None = None
    for start, end in extents:
        low = start // BLOCK * BLOCK
        high = min(size, -(-end // BLOCK) * BLOCK)
        if held is not None and low <= held[1]:
            held = (held[0], max(high, held[1]))
            continue
        if held is not None:
            yield held
        held = (low, high)
    if held is not None:
        yield held


def _filled(size: int, extents: Iterable[tuple[int, int]]) -> Iterator[Region]:
    at = 0
    for start, end in extents:
        if start > at:
            yield Region(at, start - at, Fill.ZERO)
        yield Region(start, end - start, Fill.DATA)
        at = end
    if at < size:
        yield Region(at, size - at, Fill.ZERO)
