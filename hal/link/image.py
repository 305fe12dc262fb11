"""Firmware images as MCUboot has them: a header, the program, then tagged values; a pure reader.

    header (32 bytes, padded to `hdr_size`) | program | protected TLVs | TLVs

All little-endian. The digest is SHA-256 of all that comes before the unprotected TLVs, and mcumgr
names images by it. Our images carry their board's name as a protected TLV, so the digest covers it.
What has another digest, or bytes nobody accounts for, is refused. Signatures are not judged here.

Source: MCUboot, docs/design.md and boot/bootutil/include/bootutil/image.h.
"""

import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from hal.errors import HalError

MAGIC = 0x96F3B83D
TLV_MAGIC = 0x6907
PROTECTED_MAGIC = 0x6908
SHA256 = 0x0010
BOARD = 0x00A0
"""First type that MCUboot leaves to vendors (0xA0 to 0xFE): the board's name, UTF-8."""
ENCRYPTED = 0x04 | 0x08
"""Flags of a program that nobody here could check or run."""
HEADER_BYTES = 32
SIZE_LIMIT = 16 << 20
"""Bytes of an image: more flash than any microcontroller that is driven here has."""
BOARD_LIMIT = 24
"""Bytes of a board's name, as `firmware/boot/image.h` has room for."""
TLVS_LIMIT = 64
"""Values in one area; MCUboot writes fewer than ten."""
_HEADER = struct.Struct("<IIHHIIBBHII")
_AREA = struct.Struct("<HH")
_TLV = struct.Struct("<HH")
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,5})(?:\+(\d{1,10}))?")


class ImageError(HalError, ValueError):
    """Bytes that are no image; the message names the part."""


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Of an image; compared from the left."""

    major: int
    minor: int
    revision: int
    build: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """`1.2.3` or `1.2.3+4`; ImageError."""
        found = _VERSION.fullmatch(text)
        if found is None or not text.isascii():
            raise ImageError(f"version: {text!r} is not MAJOR.MINOR.REVISION, as 0.2.0")
        made = cls(*(int(part or 0) for part in found.groups()))
        limits = (0xFF, 0xFF, 0xFFFF, 0xFFFFFFFF)
        if any(part > limit for part, limit in zip(made.parts(), limits, strict=True)):
            raise ImageError(f"version: {text!r} is larger than 255.255.65535+4294967295")
        return made

    def parts(self) -> tuple[int, int, int, int]:
        """From the left."""
        return self.major, self.minor, self.revision, self.build

    def __str__(self) -> str:
        short = f"{self.major}.{self.minor}.{self.revision}"
        return f"{short}+{self.build}" if self.build else short


@dataclass(frozen=True, slots=True)
class Image:
    """A whole image, its digest checked."""

    data: bytes
    version: Version
    digest: bytes
    """SHA-256 as in its TLV; mcumgr's `hash`."""
    board: str | None
    """None: an image that does not say, as Zephyr's are."""
    load_address: int
    program: bytes

    @property
    def sha256(self) -> bytes:
        """Of all its bytes: what names an upload."""
        return hashlib.sha256(self.data).digest()


@dataclass(frozen=True, slots=True)
class Named:
    """An image whose bytes are not here, as somebody who is believed describes it."""

    sha256: bytes
    """Of all its bytes."""
    board: str
    version: Version | None
    """None: its name for itself is none that MCUboot knows; the device compares."""


def parse(data: bytes) -> Image:
    """Read and check an image; raises ImageError."""
    if len(data) < HEADER_BYTES:
        raise ImageError(f"image: {len(data)} bytes are no header")
    if len(data) > SIZE_LIMIT:
        raise ImageError(f"image: {len(data)} bytes, more than {SIZE_LIMIT}")
    head = _header(data)
    end = head.end
    board = None
    covered = end + head.protected
    if head.protected:
        kept, after = _area(data, end, PROTECTED_MAGIC)
        if after != covered:
            raise ImageError(f"protect_tlv_size: {head.protected}, the area has {after - end}")
        board = _board(kept)
    values, after = _area(data, covered, TLV_MAGIC)
    if after != len(data):
        raise ImageError(f"image: {len(data) - after} bytes after its end")
    digest = values.get(SHA256)
    if digest is None:
        raise ImageError("image: no SHA-256 among its TLVs")
    if digest != hashlib.sha256(data[:covered]).digest():
        raise ImageError("image: damaged, its SHA-256 is another; copy or build it again")
    return Image(data, head.version, digest, board, head.load_address, data[head.begin : end])


@dataclass(frozen=True, slots=True)
class _Header:
    load_address: int
    begin: int
    """Of the program."""
    end: int
    protected: int
    """Bytes of protected TLVs."""
    version: Version


def _header(data: bytes) -> _Header:
    magic, load, begin, protected, size, flags, *version, _ = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise ImageError("image: no MCUboot header at its begin; build one: skerry firmware build")
    if begin < HEADER_BYTES:
        raise ImageError(f"hdr_size: {begin}, less than a header")
    if flags & ENCRYPTED:
        raise ImageError("flags: an encrypted image, which is not supported")
    if size == 0 or begin + size > len(data):
        raise ImageError(f"img_size: {size} bytes, of which {max(0, len(data) - begin)} are here")
    return _Header(load, begin, begin + size, protected, Version(*version))


def _board(values: dict[int, bytes]) -> str | None:
    name = values.get(BOARD)
    if name is None:
        return None
    if not 0 < len(name) <= BOARD_LIMIT:
        raise ImageError(f"board: {len(name)} bytes, and not 1 to {BOARD_LIMIT}")
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise ImageError("board: not UTF-8") from None


def _area(data: bytes, at: int, magic: int) -> tuple[dict[int, bytes], int]:
    """The values of the area at `at`, the first of each type, and where it ends."""
    if at + _AREA.size > len(data):
        raise ImageError("TLVs: cut off")
    found, total = _AREA.unpack_from(data, at)
    if found != magic:
        raise ImageError(f"TLVs: {found:#06x} where {magic:#06x} belongs")
    end = at + total
    if total < _AREA.size or end > len(data):
        raise ImageError(f"TLVs: {total} bytes, of which {len(data) - at} are here")
    values: dict[int, bytes] = {}
    for number, (kind, value) in enumerate(_values(data, at + _AREA.size, end)):
        if number == TLVS_LIMIT:
            raise ImageError(f"TLVs: more than {TLVS_LIMIT}")
        values.setdefault(kind, value)
    return values, end


def _values(data: bytes, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    while at < end:
        if at + _TLV.size > end:
            raise ImageError("TLVs: one that is cut off")
        kind, length = _TLV.unpack_from(data, at)
        at += _TLV.size
        if at + length > end:
            raise ImageError(f"TLVs: {kind:#06x} reaches beyond the area")
        yield kind, data[at : at + length]
        at += length
