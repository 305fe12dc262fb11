"""What an ELF file says about itself: its machine, and the libraries it must have beside it."""

import struct
from dataclasses import dataclass
from pathlib import Path

AARCH64 = 183
"""`e_machine` of 64-bit ARM (ELF for the Arm 64-bit Architecture)."""

_MAGIC = b"\x7fELF"
_CLASS_64, _LITTLE_ENDIAN = 2, 1
_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRINGS = 1, 5


@dataclass(frozen=True, slots=True)
class Elf:
    """One file's facts."""

    machine: int
    needed: tuple[str, ...]
    """Names of shared libraries, as the linker looks for them."""


def read_elf(file: Path) -> Elf | None:
    """The facts of a 64-bit little-endian ELF file; `needed` is empty for others; None if no ELF."""
    with file.open("rb") as opened:
        if opened.read(4) != _MAGIC:
            return None
        data = _MAGIC + opened.read()
    (machine,) = struct.unpack_from("<H", data, 18)
    if data[4] != _CLASS_64 or data[5] != _LITTLE_ENDIAN:
        return Elf(machine, ())
    return Elf(machine, _needed(data))


def _needed(data: bytes) -> tuple[str, ...]:
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    loads: list[tuple[int, int, int]] = []
    dynamic = None
    for number in range(count):
        kind, _, offset, address, _, length = struct.unpack_from(
            "<IIQQQQ", data, table + number * size
        )
        if kind == _LOAD:
            loads.append((address, length, offset))
        elif kind == _DYNAMIC:
            dynamic = (offset, length)
    if dynamic is None:
        return ()
    start, length = dynamic
    entries = list(struct.iter_unpack("<qQ", data[start : start + length - length % 16]))
    strings = next(value for tag, value in entries if tag == _STRINGS)
    base = next(strings - at + offset for at, span, offset in loads if at <= strings < at + span)
    return tuple(_text(data, base + value) for tag, value in entries if tag == _NEEDED)


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()
