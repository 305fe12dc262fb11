"""What a firmware image says of itself: version and board, from the few bytes that say so. Pure.

Images have MCUboot's format; ours name their board in a protected TLV. The node and the
microcontroller check all the rest (`hal.link.image`, `firmware/boot/`): the cloud's desk must not
know the hardware layer, and need not.
"""

import struct
from dataclasses import dataclass

from cloud.client.errors import InputError

MAGIC = 0x96F3B83D
PROTECTED_MAGIC = 0x6908
BOARD = 0x00A0
_HEADER = struct.Struct("<IIHHIIBBHI")
_PAIR = struct.Struct("<HH")


@dataclass(frozen=True, slots=True)
class Said:
    """What an image says; nothing when it has no header of ours."""

    version: str = ""
    board: str = ""


def said(data: bytes) -> Said:
    """What the image says of itself; raises InputError for a header that cannot be."""
    if len(data) < _HEADER.size:
        return Said()
    magic, _, begin, protected, size, _, *version, _ = _HEADER.unpack_from(data)
    if magic != MAGIC:
        return Said()
    end = begin + size
    if end + protected > len(data):
        raise InputError(f"image: its header speaks of {end} bytes, {len(data)} are here")
    major, minor, revision = version
    values = data[end : end + protected]
    return Said(f"{major}.{minor}.{revision}", _board(values) if protected else "")


def _board(area: bytes) -> str:
    """The value of the board's TLV in a protected area; empty when there is none."""
    if len(area) < _PAIR.size or _PAIR.unpack_from(area) != (PROTECTED_MAGIC, len(area)):
        raise InputError("image: its protected values are damaged; build it again")
    at = _PAIR.size
    while at + _PAIR.size <= len(area):
        kind, length = _PAIR.unpack_from(area, at)
        at += _PAIR.size
        if kind == BOARD:
            return area[at : at + length].decode(errors="replace")
        at += length
    return ""
