"""Block maps (`IMAGE.bmap`, the XML of bmaptool, version 2): which blocks of an image matter. Pure."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from boards.errors import ImageError

FILE_LIMIT = 4 << 20
"""Bytes; a range takes about 110, and no image has 30,000 of them."""
_RANGE = re.compile(r"\s*(\d{1,12})(?:-(\d{1,12}))?\s*")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes [start, end) with their SHA-256 in hex."""

    start: int
    end: int
    sha256: str


@dataclass(frozen=True, slots=True)
class BlockMap:
    """A whole map."""

    size: int
    ranges: Sequence[Range]


def parse(data: bytes) -> BlockMap:
    """The map that a file holds; raises ImageError that names the element."""
    if len(data) > FILE_LIMIT:
        raise ImageError(f"block map: at most {FILE_LIMIT} bytes")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ImageError("block map: entities have no place in it")
    try:
        root = ElementTree.fromstring(data)  # noqa: S314 - bounded, and entities are refused above
    except ElementTree.ParseError as fault:
        raise ImageError(f"block map: not XML: {fault}") from fault
    version = root.get("version", "")
    if not version.startswith("2."):
        raise ImageError(f"block map: version {version!r}; only 2 is read")
    if _text(root, "ChecksumType") != "sha256":
        raise ImageError("block map: ChecksumType: only sha256 is read")
    _check_itself(data, _text(root, "BmapFileChecksum"))
    size, block = _number(root, "ImageSize"), _number(root, "BlockSize")
    if block not in (512, 1024, 2048, 4096):
        raise ImageError(f"block map: BlockSize: {block} is none of 512 to 4096")
    return BlockMap(size, _ranges(root, size, block))


class Checker:
    """Compares an image with its map while it passes by, in order. Not for several threads."""

    def __init__(self, ranges: Sequence[Range]) -> None:
        self._left = list(reversed(ranges))
        self._hash = hashlib.sha256()

    def feed(self, start: int, data: bytes) -> None:
        """The next bytes; raises ImageError when a range is complete and differs."""
        end = start + len(data)
        while self._left and self._left[-1].start < end:
            part = self._left[-1]
            self._hash.update(data[max(part.start - start, 0) : part.end - start])
            if part.end > end:
                return
            if self._hash.hexdigest() != part.sha256:
                raise ImageError(
                    f"bytes {part.start} to {part.end} are not what the block map says: the image "
                    "is damaged, or the map is another image's"
                )
            self._left.pop()
            self._hash = hashlib.sha256()

    def finish(self) -> None:
        """Raises ImageError when the image ended before its map."""
        if self._left:
            raise ImageError(f"the image ends before byte {self._left[0].end} of its block map")


def _ranges(root: ElementTree.Element, size: int, block: int) -> Sequence[Range]:
    ranges: list[Range] = []
    at = 0
    for element in root.iterfind("BlockMap/Range"):
        found = _RANGE.fullmatch(element.text or "")
        digest = element.get("chksum", "")
        if found is None or not _DIGEST.fullmatch(digest):
            raise ImageError(f"block map: Range: {element.text!r} or its chksum cannot be read")
        start = int(found[1]) * block
        end = min(size, (int(found[2] or found[1]) + 1) * block)
        if start < at or end <= start:
            raise ImageError(f"block map: Range: {element.text!r} is out of order or the image")
        ranges.append(Range(start, end, digest))
        at = end
    if not ranges:
        raise ImageError("block map: no Range; nothing would be written")
    return ranges


def _check_itself(data: bytes, digest: str) -> None:
    """The file's own checksum is made with its place filled with zeros."""
    blank = data.replace(digest.encode(), b"0" * len(digest))
    if not _DIGEST.fullmatch(digest) or hashlib.sha256(blank).hexdigest() != digest:
        raise ImageError("block map: BmapFileChecksum: the map is damaged; make it again")


def _number(root: ElementTree.Element, name: str) -> int:
    text = _text(root, name)
    if not re.fullmatch(r"\d{1,15}", text):
        raise ImageError(f"block map: {name}: {text!r} is no number")
    return int(text)


def _text(root: ElementTree.Element, name: str) -> str:
    text = root.findtext(name)
    if text is None:
        raise ImageError(f"block map: {name}: missing")
    return text.strip()
