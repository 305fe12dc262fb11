"""Wraps the program of a microcontroller as an MCUboot image, unsigned, its board's name in it.

`hal.link.image` says the format, and reads it.
"""

import hashlib
import struct

HEADER_BYTES = 32
RAM_LOAD = 0x20
"""Flag: the bootloader copies the program to its address before it starts it."""


def image(program: bytes, *, version: str, board: str, load_address: int) -> bytes:
    """The image; the same for the same arguments."""
    protected = _area(0x6908, {0x00A0: board.encode()})
    major, minor, revision = (int(part) for part in version.split("."))
    header = struct.pack(
        "<IIHHIIBBHII",
        *(0x96F3B83D, load_address, HEADER_BYTES, len(protected), len(program), RAM_LOAD),
        *(major, minor, revision, 0, 0),
    )
    covered = header + program + protected
    return covered + _area(0x6907, {0x0010: hashlib.sha256(covered).digest()})


def _area(magic: int, values: dict[int, bytes]) -> bytes:
    body = b"".join(struct.pack("<HH", kind, len(one)) + one for kind, one in values.items())
    return struct.pack("<HH", magic, len(body) + 4) + body
