"""An image that comes as a stream: packed with zstd, xz or gzip, or plain. It is never stored.

Memory is one chunk, and what is read ahead before writing begins: at most REACH.
"""

import gzip
import hashlib
import http.client
import io
import lzma
import zlib
from collections.abc import Iterator
from typing import IO, Protocol, cast

from boards.errors import ImageError, OutOfReachError
from boards.flash import bmap
from boards.flash.pieces import ZEROS, Piece
from boards.flash.plan import CHUNK, check_size, next_stop

REACH = 64 << 20
"""Bytes read ahead at most: kernel, initramfs and firmware, which may lie before `skerry.toml`."""
MAGIC_SIZE = 6
_ZSTD, _XZ, _GZIP = b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"\x1f\x8b"
_UNREADABLE = (OSError, http.client.HTTPException)


class Readable(Protocol):
    """Bytes in order; `read` gives fewer only at the end, or when a pipe has no more yet."""

    def read(self, size: int = -1, /) -> bytes:
        """Nothing means the end."""
        ...

    def close(self) -> None:
        """Idempotent."""
        ...


def is_packed(first: bytes) -> bool:
    """Whether a file that begins so has to be unpacked."""
    return first.startswith((_ZSTD, _XZ, _GZIP))


class PackedImage:
    """A stream, packed with zstd, xz or gzip, or plain; its zeros are found while it passes."""

    def __init__(
        self,
        name: str,
        packed: "Passing",
        total: int | None,
        *,
        sha256: str | None = None,
        block_map: bmap.BlockMap | None = None,
    ) -> None:
        self.name = name
        self._packed = packed
        self._sha256 = sha256
        self._map = block_map
        self.size: int | None = block_map.size if block_map else None
        self.total = total
        self._stream, self._damage = _unpacked(name, packed)
        self._ahead = bytearray()
        """What `read` unpacked, until `pieces` takes it."""

    @property
    def passed(self) -> int:
        """See Source."""
        return self._packed.passed

    def read(self, start: int, length: int) -> bytes:
        """See Source."""
        end = start + length
        if end > REACH:
            raise OutOfReachError(f"{self.name}: byte {end} is not among the first {REACH}")
        if end > len(self._ahead):
            self._ahead += self._unpack(end - len(self._ahead))
        if end > len(self._ahead):
            raise ImageError(f"{self.name}: ends at byte {len(self._ahead)}: cut short")
        return bytes(self._ahead[start:end])

    def pieces(self) -> Iterator[Piece]:
        """See Source."""
        checker = bmap.Checker(self._map.ranges if self._map else ())
        at = 0
        while data := self._next(at, next_stop(at)):
            checker.feed(at, data)
            yield from self._listed(Piece(at, len(data), None if _is_zero(data) else data))
            at += len(data)
        check_size(at)
        checker.finish()
        self._check_digest()

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

    def _next(self, start: int, end: int) -> bytes:
        """These bytes, or what is left; what was read ahead is kept no longer than it is needed."""
        data = bytes(self._ahead[start:end])
        if end >= len(self._ahead):
            self._ahead = bytearray()
            data += self._unpack(end - start - len(data))
        return data

    def _unpack(self, length: int) -> bytes:
        """So many bytes from where the stream stands, or what is left."""
        parts: list[bytes] = []
        try:
            while length and (part := self._stream.read(length)):
                parts.append(part)
                length -= len(part)
        except self._damage as fault:
            raise ImageError(f"{self.name}: damaged or cut short: {fault}") from fault
        except _UNREADABLE as fault:
            raise ImageError(f"{self.name}: cannot be read to its end: {fault}") from fault
        return b"".join(parts)

    def _check_digest(self) -> None:
        try:
            while self._packed.read(CHUNK):
                pass
        except _UNREADABLE as fault:
            raise ImageError(f"{self.name}: cannot be read to its end: {fault}") from fault
        if self._sha256 not in (None, self._packed.sha256):
            raise ImageError(
                f"{self.name}: what came has sha256:{self._packed.sha256}, not "
                f"sha256:{self._sha256}: cut short, damaged, or another file"
            )


class Passing(io.RawIOBase):
    """Counts and hashes what is read through it."""

    def __init__(self, below: Readable) -> None:
        self._below = below
        self._hash = hashlib.sha256()
        self._first = b""
        self.passed = 0

    def peek(self) -> bytes:
        """The first bytes, before anything else is read."""
        while len(self._first) < MAGIC_SIZE and (
            more := self._below.read(MAGIC_SIZE - len(self._first))
        ):
            self._first += more
        return self._first

    def readable(self) -> bool:
        """As io wants it."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""
        if self._first and size >= 0:
            data, self._first = self._first[:size], self._first[size:]
        else:
            data, self._first = self._first + self._below.read(size), b""
        self._hash.update(data)
        self.passed += len(data)
        return data

    def close(self) -> None:
        """Idempotent."""
        self._below.close()
        super().close()

    @property
    def sha256(self) -> str:
        """Of all that was read so far, in hex."""
        return self._hash.hexdigest()


def _unpacked(name: str, packed: Passing) -> tuple[Readable, tuple[type[Exception], ...]]:
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


def _is_zero(data: bytes) -> bool:
    return data == (ZEROS if len(data) == CHUNK else ZEROS[: len(data)])
