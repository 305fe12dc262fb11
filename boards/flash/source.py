"""Where an image comes from: a file, sparse or packed, or a blob of a registry, as pieces in order.

What a file is shows in its first bytes, not in its name. Memory is one chunk, however large the
image. A blob is checked against its digest as it passes; the flasher holds the head back till then.
"""

import gzip
import hashlib
import http.client
import io
import lzma
import os
import re
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import IO, Protocol, cast
from urllib.parse import urlsplit

from boards.errors import ImageError
from boards.flash import bmap
from boards.flash.plan import (
    CHUNK,
    Fill,
    Region,
    check_size,
    chunks,
    next_stop,
    regions_of_map,
    regions_of_sparse,
)

TIMEOUT = 30.0
"""Seconds without a byte from a registry."""
ZEROS = bytes(CHUNK)
_MAGIC_SIZE = 6
_ZSTD, _XZ, _GZIP = b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"\x1f\x8b"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BLOB = re.compile(r"/blobs/sha256:([0-9a-f]{64})$")
_UNREADABLE = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Piece:
    """The next bytes of an image; `data` is None when all of them are zero."""

    start: int
    length: int
    data: bytes | None

    @property
    def end(self) -> int:
        """First byte behind it."""
        return self.start + self.length


class Source(Protocol):
    """An image to be read once, in order. Not for several threads."""

    size: int | None
    """Bytes unpacked, when it is known beforehand."""
    total: int | None
    """Bytes that `passed` grows to, when known."""

    @property
    def passed(self) -> int:
        """How far reading is, for a progress bar."""
        ...

    def pieces(self) -> Iterator[Piece]:
        """Everything to write, in order; raises ImageError. When it ends, all digests were right."""
        ...

    def head(self) -> "RawImage | None":
        """The image itself when any part can be read before the rest."""
        ...

    def close(self) -> None:
        """Idempotent."""
        ...


def open_source(image: str, *, sha256: str | None = None, use_map: bool = True) -> Source:
    """The image that a path or URL names; `sha256` is of the file as it is stored."""
    if sha256 is not None and not _DIGEST.fullmatch(sha256):
        raise ImageError("--sha256: needs 64 hex digits in lower case")
    if re.match(r"[a-z]+://", image):
        return _open_url(image, sha256)
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
        if file.read(_MAGIC_SIZE).startswith((_ZSTD, _XZ, _GZIP)):
            file.seek(0)
            return PackedImage(str(path), _Passing(file), path.stat().st_size, block_map=block_map)
        return RawImage(path, file, block_map)
    except BaseException:
        file.close()
        raise


class RawImage:
    """An image file as it will be on the card; its holes need no reading."""

    def __init__(self, path: Path, file: FileIO, block_map: bmap.BlockMap | None) -> None:
        self._path = path
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
        """Exactly these bytes."""
        try:
            data = os.pread(self._file.fileno(), length, start)
        except OSError as fault:
            raise ImageError(f"{self._path}: {fault.strerror} at byte {start}") from fault
        if len(data) < length:
            raise ImageError(f"{self._path}: ends at byte {start + len(data)}, while it was read")
        return data

    def head(self) -> "RawImage | None":
        """See Source."""
        return self

    def close(self) -> None:
        """See Source."""
        self._file.close()

    def _planned(self, size: int, block_map: bmap.BlockMap | None) -> Sequence[Region]:
        if block_map is None:
            return regions_of_sparse(size, _extents(self._file.fileno(), size))
        if block_map.size != size:
            raise ImageError(
                f"{self._path}: {size} bytes, but {block_map.size} in its block map: the map is "
                "another image's; make it again, or leave it out with --no-bmap"
            )
        return regions_of_map(size, ((part.start, part.end) for part in block_map.ranges))


class PackedImage:
    """A stream, packed with zstd, xz or gzip, or plain; its zeros are found while it passes."""

    def __init__(
        self,
        name: str,
        packed: "_Passing",
        total: int | None,
        *,
        sha256: str | None = None,
        block_map: bmap.BlockMap | None = None,
    ) -> None:
        self._name = name
        self._packed = packed
        self._sha256 = sha256
        self._map = block_map
        self.size: int | None = block_map.size if block_map else None
        self.total = total
        self._stream, self._damage = _unpacked(name, packed)

    @property
    def passed(self) -> int:
        """See Source."""
        return self._packed.passed

    def pieces(self) -> Iterator[Piece]:
        """See Source."""
        checker = bmap.Checker(self._map.ranges if self._map else ())
        at = 0
        while data := self._next(next_stop(at) - at):
            checker.feed(at, data)
            yield from self._listed(Piece(at, len(data), None if _is_zero(data) else data))
            at += len(data)
        check_size(at)
        checker.finish()
        self._check_digest()

    def head(self) -> "RawImage | None":
        """See Source."""
        return None

    def close(self) -> None:
        """See Source."""
        self._stream.close()
        self._packed.close()

    def _listed(self, piece: Piece) -> Iterator[Piece]:
        """What of a piece its block map asks for; all of it without one."""
        if self._map is None:
            yield piece
            return
        for part in self._map.ranges:
            start, end = max(part.start, piece.start), min(part.end, piece.end)
            if start < end:
                data = piece.data and piece.data[start - piece.start : end - piece.start]
                yield Piece(start, end - start, data)

    def _next(self, length: int) -> bytes:
        """So many bytes, or what is left."""
        parts: list[bytes] = []
        try:
            while length and (part := self._stream.read(length)):
                parts.append(part)
                length -= len(part)
        except self._damage as fault:
            raise ImageError(f"{self._name}: damaged or cut short: {fault}") from fault
        except _UNREADABLE as fault:
            raise ImageError(f"{self._name}: cannot be read to its end: {fault}") from fault
        return b"".join(parts)

    def _check_digest(self) -> None:
        try:
            while self._packed.read(CHUNK):
                pass
        except _UNREADABLE as fault:
            raise ImageError(f"{self._name}: cannot be read to its end: {fault}") from fault
        if self._sha256 not in (None, self._packed.sha256):
            raise ImageError(
                f"{self._name}: what came has sha256:{self._packed.sha256}, not "
                f"sha256:{self._sha256}: cut short, damaged, or another file"
            )


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...
    def close(self) -> None: ...


class _Passing(io.RawIOBase):
    """Counts and hashes what is read through it."""

    def __init__(self, below: _Readable) -> None:
        self._below = below
        self._hash = hashlib.sha256()
        self._first = b""
        self.passed = 0

    def peek(self) -> bytes:
        """The first bytes, before anything else is read."""
        self._first = self._below.read(_MAGIC_SIZE)
        return self._first

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self._first and size >= 0:
            data, self._first = self._first[:size], self._first[size:]
        else:
            data, self._first = self._first + self._below.read(size), b""
        self._hash.update(data)
        self.passed += len(data)
        return data

    def close(self) -> None:
        self._below.close()
        super().close()

    @property
    def sha256(self) -> str:
        """Of all that was read so far, in hex."""
        return self._hash.hexdigest()


def _unpacked(name: str, packed: _Passing) -> tuple[_Readable, tuple[type[Exception], ...]]:
    """The plain bytes, and the errors by which damage shows."""
    try:
        first = packed.peek()
    except _UNREADABLE as fault:
        raise ImageError(f"{name}: cannot be read: {fault}") from fault
    if first.startswith(_XZ):
        return lzma.LZMAFile(cast("IO[bytes]", packed)), (EOFError, lzma.LZMAError)
    if first.startswith(_GZIP):
        return gzip.GzipFile(fileobj=cast("IO[bytes]", packed)), (
            EOFError,
            gzip.BadGzipFile,
            zlib.error,
        )
    if not first.startswith(_ZSTD):
        return packed, (EOFError,)
    try:
        from backports import zstd  # noqa: PLC0415 - only images packed so need it
    except ImportError:
        raise ImageError(
            f"{name}: packed with zstd; first: pip install 'skerry[boards]', or unpack it (unzstd)"
        ) from None
    return zstd.ZstdFile(cast("IO[bytes]", packed)), (EOFError, zstd.ZstdError)


def _open_url(url: str, sha256: str | None) -> Source:
    split = urlsplit(url)
    if split.scheme not in ("http", "https"):
        raise ImageError(f"{url}: only http and https are read")
    named = _BLOB.search(split.path)
    digest = named[1] if named else sha256
    if digest is None:
        raise ImageError(
            f"{url}: no digest to check it by; give a blob, …/v2/NAME/blobs/sha256:…, or --sha256"
        )
    if sha256 not in (None, digest):
        raise ImageError(f"{url}: its digest and --sha256 differ")
    try:
        answer = urllib.request.urlopen(url, timeout=TIMEOUT)  # noqa: S310 - scheme is checked
    except urllib.error.HTTPError as fault:
        with fault:
            raise ImageError(f"{url}: the registry answers {fault.code} {fault.reason}") from None
    except urllib.error.URLError as fault:
        raise ImageError(f"{url}: nothing answers: {fault.reason}") from fault
    except (*_UNREADABLE, ValueError) as fault:
        raise ImageError(f"{url}: {fault}") from fault
    length = answer.headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else None
    return PackedImage(url, _Passing(answer), total, sha256=digest)


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


def _is_zero(data: bytes) -> bool:
    return data == (ZEROS if len(data) == CHUNK else ZEROS[: len(data)])
