"""UF2: a file of 512-byte blocks that a microcontroller's USB drive puts where each block says.

The format is Microsoft's (`microsoft/uf2`); the families are those of its `uf2families.json`. Pure:
bytes in, bytes out.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from boards.errors import ImageError

FAMILIES = {"rp2040": 0xE48BFF56, "rp2350-arm-s": 0xE48BFF59, "rp2350-riscv": 0xE48BFF5A}
"""Of the parts whose drives say `Board-ID: RPI-RP2` or `RP2350`."""
RP2040_FLASH = 0x10000000
BLOCK = 512
PAYLOAD = 256
"""Bytes of a block that are written: a page of the RP2040's flash."""
LIMIT = 32 << 20
"""Bytes of a file that are looked at: twice what the RP2040 can address, as UF2 is half padding."""
_FIRST, _SECOND, _LAST = 0x0A324655, 0x9E5D5157, 0x0AB16F30
_HAS_FAMILY, _NOT_FLASH = 0x2000, 0x0001
_HEAD = struct.Struct("<8I")
_TAIL = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Uf2:
    """What a file says of itself."""

    family: int
    blocks: int
    start: int
    """Lowest address."""
    size: int
    """Bytes that are written."""

    @property
    def family_name(self) -> str:
        """Its name, or its number for a family that is unknown here."""
        names = [name for name, number in FAMILIES.items() if number == self.family]
        return names[0] if names else f"{self.family:#010x}"


def pack(parts: Mapping[int, bytes], family: int) -> bytes:
    """A file that puts each part at its address; the last page of each is filled up with zeros."""
    pages = [
        (start + at, part[at : at + PAYLOAD])
        for start, part in parts.items()
        for at in range(0, len(part), PAYLOAD)
    ]
    blocks: list[bytes] = []
    for number, (address, page) in enumerate(pages):
        told = (_HAS_FAMILY, address, PAYLOAD, number, len(pages), family)
        body = page.ljust(BLOCK - _HEAD.size - _TAIL.size, b"\0")
        blocks.append(_HEAD.pack(_FIRST, _SECOND, *told) + body + _TAIL.pack(_LAST))
    return b"".join(blocks)


def examined(data: bytes) -> Uf2:
    """What a file holds; raises ImageError unless it is whole, in order and of one family."""
    if not data or len(data) % BLOCK:
        raise ImageError(f"no UF2 file: its {len(data)} bytes are not whole blocks of {BLOCK}")
    families: set[int] = set()
    addresses: list[int] = []
    for number, (flags, address, size, mine, count, family) in enumerate(_heads(data)):
        if flags & _NOT_FLASH or not flags & _HAS_FAMILY:
            raise ImageError(f"block {number}: says not for which family of parts it is")
        if size != PAYLOAD or mine != number or count != len(data) // BLOCK:
            raise ImageError(
                f"block {number}: says it is {mine} of {count}, {size} bytes: the file is damaged, "
                "cut off, or several in one"
            )
        families.add(family)
        addresses.append(address)
    if len(families) != 1:
        raise ImageError(f"for several families of parts at once: {sorted(map(hex, families))}")
    return Uf2(families.pop(), len(addresses), min(addresses), PAYLOAD * len(addresses))


def _heads(data: bytes) -> Iterator[tuple[int, int, int, int, int, int]]:
    for at in range(0, len(data), BLOCK):
        first, second, *rest = _HEAD.unpack_from(data, at)
        (last,) = _TAIL.unpack_from(data, at + BLOCK - _TAIL.size)
        if (first, second, last) != (_FIRST, _SECOND, _LAST):
            raise ImageError(f"no UF2 file: block {at // BLOCK} lacks its marks")
        flags, address, size, number, count, family = rest
        yield flags, address, size, number, count, family
