"""Where an image comes from: a file, sparse or packed, standard input, or a registry.

What a file is shows in its first bytes, not in its name. What comes over a network is checked
against its digest as it passes; the flasher holds the head back till then.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path

from boards.errors import ImageError
from boards.flash import bmap
from boards.flash.download import STRANGER, Access, Download, locate
from boards.flash.packed import MAGIC_SIZE, PackedImage, Passing, is_packed
from boards.flash.pieces import Piece, Source
from boards.flash.plan import (
    Fill,
    Region,
    check_size,
    chunks,
    regions_of_map,
    regions_of_sparse,
)

STANDARD_INPUT = 0
"""Its file descriptor; on the command line it is `-`."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


def open_source(
    image: str,
    *,
    sha256: str | None = None,
    use_map: bool = True,
    access: Access = STRANGER,
) -> Source:
    """The image that a path, a URL or `-` names; `sha256` is of the file as it is stored.

    `trust` says which authorities vouch for servers; without it, the system's do.
    """
    if sha256 is not None and not _DIGEST.fullmatch(sha256):
        raise ImageError("--sha256: needs 64 hex digits in lower case")
    if re.match(r"[a-z]+://", image):
        return _open_url(image, sha256, access)
    if image == "-":
        return _open_standard_input(sha256)
    path = Path(image)
    try:
        file = path.open("rb", buffering=0)
        if not path.is_file():
            raise ImageError(f"{path}: not a file")
    except OSError as fault:
        raise ImageError(f"{path}: {fault.strerror}") from fault
    try:
        block_map = _block_map(path) if use_map else None
        if sha256 is not None:
            _check_file(path, file, sha256)
        if is_packed(os.pread(file.fileno(), MAGIC_SIZE, 0)):
            return PackedImage(image, Passing(file), path.stat().st_size, block_map=block_map)
        return RawImage(path, file, block_map)
    except BaseException:
        file.close()
        raise


class RawImage:
    """An image file as it will be on the card; its holes need no reading."""

    def __init__(self, path: Path, file: FileIO, block_map: bmap.BlockMap | None) -> None:
        self.name = str(path)
        self._file = file
        self.size: int | None = os.fstat(file.fileno()).st_size
        check_size(self.size)
        self._checker = bmap.Checker(block_map.ranges if block_map else ())
        self._regions = self._planned(self.size, block_map)
        self.total: int | None = sum(region.length for region in self._regions)
        self.passed = 0

    def pieces(self) -> Iterator[Piece]:
        """See Source."""
        for region in self._regions:
            for part in chunks(region):
                data = None if part.fill is Fill.ZERO else self.read(part.start, part.length)
                if data is not None:
                    self._checker.feed(part.start, data)
                self.passed += part.length
                yield Piece(part.start, part.length, data)
        self._checker.finish()

    def read(self, start: int, length: int) -> bytes:
        """See Source; any part, at any time."""
        try:
            data = os.pread(self._file.fileno(), length, start)
        except OSError as fault:
            raise ImageError(f"{self.name}: {fault.strerror} at byte {start}") from fault
        if len(data) < length:
            raise ImageError(f"{self.name}: ends at byte {start + len(data)}: cut short")
        return data

    def close(self) -> None:
        """See Source."""
        self._file.close()

    def _planned(self, size: int, block_map: bmap.BlockMap | None) -> Sequence[Region]:
        if block_map is None:
            return regions_of_sparse(size, _extents(self._file.fileno(), size))
        if block_map.size != size:
            raise ImageError(
                f"{self.name}: {size} bytes, but {block_map.size} in its block map: the map is "
                "another image's; make it again, or leave it out with --no-bmap"
            )
        return regions_of_map(size, ((part.start, part.end) for part in block_map.ranges))


def _open_url(url: str, sha256: str | None, access: Access) -> Source:
    place = locate(url, access)
    if sha256 is not None and place.sha256 not in (None, sha256):
        raise ImageError(f"{url}: its digest and --sha256 differ")
    digest = place.sha256 or sha256
    if digest is None:
        raise ImageError(
            f"{url}: no digest to check it by; give an image of a registry, …/v2/NAME:TAG, a blob, "
            "…/v2/NAME/blobs/sha256:…, or --sha256"
        )
    download = Download(place.url, access)
    return PackedImage(url, Passing(download), download.total, sha256=digest)


def _open_standard_input(sha256: str | None) -> Source:
    if os.isatty(STANDARD_INPUT):
        raise ImageError("-: standard input is a terminal; pipe an image into it")
    stream = FileIO(STANDARD_INPUT, closefd=False)
    return PackedImage("standard input", Passing(stream), None, sha256=sha256)


def _block_map(path: Path) -> bmap.BlockMap | None:
    """The map beside an image: barn.img.bmap for barn.img, barn.img.xz and so on."""
    for beside in (path.with_name(f"{path.name}.bmap"), path.with_suffix(".bmap")):
        if beside.is_file():
            try:
                with beside.open("rb") as file:
                    return bmap.parse(file.read(bmap.FILE_LIMIT + 1))
            except OSError as fault:
                raise ImageError(f"{beside}: {fault.strerror}") from fault
            except ImageError as fault:
                raise ImageError(f"{beside}: {fault}") from fault
    return None


def _check_file(path: Path, file: FileIO, sha256: str) -> None:
    found = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    if found != sha256:
        raise ImageError(f"{path}: has sha256:{found}, not sha256:{sha256}; get it again")


def _extents(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, end) of what holds data; all of the file where holes cannot be asked for."""
    at = 0
    while at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError:
            return
        at = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, at
