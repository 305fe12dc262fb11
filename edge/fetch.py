"""Artifacts on disk: fetched by digest from the registry, resumable, verified, bounded.

A file named after its digest is whole and was verified when it got that name; `.part` files are
not trusted: their bytes are hashed again before a download resumes. Hashing and file work run on
threads, because an SD card can stall for seconds.
"""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import IO
from weakref import WeakValueDictionary

from edge.net.errors import BadPeerError, NetError, StatusError
from edge.net.http import Response, get
from edge.net.stream import Tls
from edge.wire.messages import Files, Module
from hal import clock

CONNECT_TIMEOUT = 10.0
IDLE_TIMEOUT = 30.0
"""Seconds without a byte before a download is given up; what came stays for the next try."""
HASH_CHUNK = 256 << 10

Blob = Module | Files
"""What can be fetched."""
Progress = Callable[[int, int], None]
"""Called with bytes present and bytes in all: when bytes are about to come, and whenever some came."""


class FetchError(Exception):
    """The artifact could not be fetched now; what arrived is kept, trying again can help."""


class LastingError(FetchError):
    """The registry answers, and not with the artifact: trying again will hardly help."""


class NotFoundError(LastingError):
    """The registry does not have the artifact."""


class WrongBytesError(LastingError):
    """The bytes are not what the digest or the size promises; they were discarded."""


class DiskFullError(FetchError):
    """No room for the artifact, neither within the cache's bound nor on the disk."""


class ArtifactCache:
    """Verified files under `directory`, at most `limit_bytes` in all.

    One event loop; fetches of one digest take turns, and the later ones find it done.
    """

    def __init__(
        self,
        directory: Path,
        limit_bytes: int,
        *,
        tls: Callable[[], Tls] | None = None,
        idle_timeout: float = IDLE_TIMEOUT,
    ) -> None:
        self._directory = directory
        self._limit = limit_bytes
        self._tls = tls
        self._idle_timeout = idle_timeout
        self._in_use: frozenset[str] = frozenset()
        self._flights: WeakValueDictionary[str, _Flight] = WeakValueDictionary()
        self._room = asyncio.Lock()
        directory.mkdir(parents=True, exist_ok=True)

    def path(self, module: Blob) -> Path | None:
        """The verified file, if here and of the right size; marks it as used now."""
        path = self._file(module.digest)
        try:
            if path.stat().st_size != module.size:
                path.unlink()
                return None
            now = clock.wall_ns()
            os.utime(path, ns=(now, now))
        except FileNotFoundError:
            return None
        return path

    def intact(self, module: Blob) -> bool:
        """Whether the file holds the bytes that it was verified for; a damaged one is removed.

        Reads it whole: for when there is a reason to ask. Raises OSError.
        """
        path = self._file(module.digest)
        with path.open("rb") as file:
            if f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == module.digest:
                return True
        path.unlink()
        return False

    def retain(self, digests: Iterable[str]) -> None:
        """Name the digests in use, in place of the earlier ones; they are never evicted."""
        self._in_use = frozenset(digests)

    async def fetch(self, base: str, module: Blob, progress: Progress | None = None) -> Path:
        """The verified file, downloaded from the registry at `base` unless here.

        One attempt; the caller tries again with backoff. Raises FetchError.
        """
        flight = self._flights.setdefault(module.digest, _Flight(module.size))
        try:
            async with flight.turn:
                found = await asyncio.to_thread(self.path, module)
                return found or await self._download(base, module, progress or _silent)
        except StatusError as error:
            kind = LastingError if error.status in _DENIED else FetchError
            raise kind(f"{module.repository}: {error}") from error
        except NetError as error:
            raise FetchError(f"{module.repository}: {error}") from error
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                await asyncio.to_thread(self._part(module.digest).unlink, missing_ok=True)
                raise DiskFullError(f"{module.repository}: the disk is full") from error
            raise FetchError(f"{module.repository}: {error}") from error

    async def _download(self, base: str, module: Blob, progress: Progress) -> Path:
        async with self._room:
            flights = {digest: flight.size for digest, flight in self._flights.items()}
            await asyncio.to_thread(self._make_room, module, flights)
        part = self._part(module.digest)
        with await asyncio.to_thread(part.open, "a+b") as file:
            download = _Download(file, module, progress)
            await asyncio.to_thread(download.rehash)
            if download.done < module.size:
                await self._transfer(base, module, download)
            if download.digest() != module.digest:
                part.unlink()
                raise WrongBytesError(
                    f"{module.repository}: the registry sent {download.digest()}"
                    f" for {module.digest}; discarded"
                )
            await asyncio.to_thread(_sync, file)
        return await asyncio.to_thread(self._commit, module.digest)

    async def _transfer(self, base: str, module: Blob, download: "_Download") -> None:
        url = f"{base.rstrip('/')}/v2/{module.repository}/blobs/{module.digest}"
        headers = {"Range": f"bytes={download.done}-"} if download.done else {}
        async with get(
            url,
            headers=headers,
            tls=self._tls() if self._tls is not None else None,
            connect_timeout=CONNECT_TIMEOUT,
            idle_timeout=self._idle_timeout,
        ) as response:
            start = download.done
            if start and response.status in {_OK, _RANGE_REFUSED}:
                download.restart()  # the server does not resume, or not from here
            if response.status == _PARTIAL and not _continues(response, start, module.size):
                download.restart()
                raise BadPeerError(f"{url}: another range than from {start}; starting over")
            _check_status(response.status, url, module)
            await download.write(response.body)

    def _make_room(self, module: Blob, flights: dict[str, int]) -> None:
        """Evict the least recently used files until all that is being fetched fits the bound."""
        files = [
            (path.stat(), path)
            for path in self._directory.iterdir()
            if _digest_of(path) not in flights
        ]
        total = sum(stat.st_size for stat, _ in files) + sum(flights.values())
        for stat, path in sorted(files, key=lambda item: item[0].st_mtime_ns):
            if total > self._limit and _digest_of(path) not in self._in_use:
                path.unlink()
                total -= stat.st_size
        if total > self._limit:
            raise DiskFullError(
                f"{module.repository}: no room for {module.size} bytes: with what is in use the"
                f" cache would hold {total}, its limit is {self._limit}"
            )

    def _commit(self, digest: str) -> Path:
        path = self._file(digest)
        self._part(digest).rename(path)
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return path

    def _file(self, digest: str) -> Path:
        return self._directory / digest.replace(":", "-")

    def _part(self, digest: str) -> Path:
        return self._file(digest).with_suffix(".part")


_OK = 200
_PARTIAL = 206
_DENIED = frozenset({401, 403})
_NOT_FOUND = 404
_RANGE_REFUSED = 416


class _Flight:
    """A digest being fetched; lives as long as somebody waits for it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.turn = asyncio.Lock()


class _Download:
    """A `.part` file, its hash and how far it is. `file` is open for append and reading."""

    def __init__(self, file: IO[bytes], module: Blob, progress: Progress) -> None:
        self._file = file
        self._module = module
        self._progress = progress
        self._hash = hashlib.sha256()
        self.done = 0

    def rehash(self) -> None:
        """Hash what is there; what is longer than promised is worthless."""
        self._file.seek(0)
        while self.done <= self._module.size and (chunk := self._file.read(HASH_CHUNK)):
            self._hash.update(chunk)
            self.done += len(chunk)
        if self.done > self._module.size:
            self.restart()

    def restart(self) -> None:
        """Forget what is there."""
        self._file.truncate(0)
        self._hash = hashlib.sha256()
        self.done = 0

    async def write(self, body: AsyncIterator[bytes]) -> None:
        """Append the body until it is whole; WrongBytesError when it is longer than promised."""
        name, size = self._module.repository, self._module.size
        self._progress(self.done, size)
        async for chunk in body:
            if self.done + len(chunk) > size:
                self.restart()
                raise WrongBytesError(f"{name}: more than the promised {size} bytes; discarded")
            await asyncio.to_thread(self._append, chunk)
            self._progress(self.done, size)
        if self.done < size:
            raise FetchError(f"{name}: only {self.done} of {size} bytes came; kept")

    def _append(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._hash.update(chunk)
        self.done += len(chunk)

    def digest(self) -> str:
        """Of what is there."""
        return f"sha256:{self._hash.hexdigest()}"


def _continues(response: Response, start: int, size: int) -> bool:
    """Whether a 206 is the rest that was asked for."""
    return start > 0 and (
        response.headers.get("content-range") == f"bytes {start}-{size - 1}/{size}"
    )


def _check_status(status: int, url: str, module: Blob) -> None:
    if status == _NOT_FOUND:
        raise NotFoundError(f"{module.repository}: the registry has no {module.digest}")
    if status == _RANGE_REFUSED:
        raise StatusError(status, f"{url}: the range was refused; starting over")
    if status not in {_OK, _PARTIAL}:
        raise StatusError(status, f"{url}: HTTP {status}")


def _sync(file: IO[bytes]) -> None:
    file.flush()  # else the last bytes would still be in this process, and not be synced
    os.fsync(file.fileno())


def _digest_of(path: Path) -> str:
    return path.name.removesuffix(".part").replace("-", ":", 1)


def _silent(_done: int, _size: int) -> None:
    pass
