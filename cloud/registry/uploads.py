"""Uploads: bytes on their way to become a blob; they survive a restart of the service.

Rules: an upload is a file whose length is its offset; bytes go to disk as they come and are never
held whole; the digest is taken over the file at the end. One request at a time may write to one.
"""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from typing import NamedTuple

from cloud.clock import Clock
from cloud.registry import index
from cloud.registry.errors import Code, OffsetError, RegistryError
from cloud.registry.files import BlobFiles
from cloud.store.database import NO_ROOM, Database

BUFFER = 256 << 10
"""Bytes gathered before a write: one hop to a thread for each, 256 KiB of memory an upload."""
ROOM_KEPT = 64 << 20
"""Bytes of the disk that uploads leave to the database, which must go on storing readings."""
STALE_NS = 24 * 3600 * 10**9
"""Age at which an unfinished upload is given up at the next start or sweep."""

_ID = re.compile(r"[0-9a-f]{32}")


class Part(NamedTuple):
    """Content-Range of a chunk, both ends included."""

    first: int
    last: int


class Uploads:
    """Begins, continues and ends uploads; `Registry` makes blobs of them."""

    def __init__(
        self,
        database: Database,
        files: BlobFiles,
        clock: Clock,
        limit: int,
        room_kept: int = ROOM_KEPT,
    ) -> None:
        self._database = database
        self._files = files
        self._clock = clock
        self._limit = limit
        self._room_kept = room_kept
        self._busy: set[str] = set()

    async def begin(self, repository: str) -> str:
        """The id of a new, empty upload; RegistryError NO_ROOM on a disk that is nearly full."""
        await self._need(0)
        upload = uuid.uuid4().hex
        await asyncio.to_thread(self._files.create, upload)
        now_ns = nanoseconds(self._clock)
        await self._database.write(
            lambda connection: index.begin_upload(connection, upload, repository, now_ns)
        )
        return upload

    async def offset(self, repository: str, upload: str) -> int:
        """Bytes received; RegistryError BLOB_UPLOAD_UNKNOWN."""
        known = _ID.fullmatch(upload) is not None and await self._database.read(
            lambda connection: index.has_upload(connection, upload, repository)
        )
        size = await asyncio.to_thread(self._files.offset, upload) if known else None
        if size is None:
            raise RegistryError(
                Code.BLOB_UPLOAD_UNKNOWN, "upload: unknown or given up; begin another"
            )
        return size

    async def append(
        self, repository: str, upload: str, body: AsyncIterator[bytes], part: Part | None
    ) -> int:
        """The offset after `body`. What arrived before a cut stays, so that it can be resumed.

        Raises OffsetError when `part` does not start at the offset, RegistryError when it is not
        as long as it says or the blob grows past the limit.
        """
        with self.hold(upload):
            start = await self.offset(repository, upload)
            if part is not None and part.first != start:
                raise OffsetError(f"Content-Range: the upload stands at {start}", start)
            end = await self._receive(upload, start, body)
            if part is not None and end - start != part.last - part.first + 1:
                await asyncio.to_thread(self._files.truncate, upload, start)
                raise RegistryError(
                    Code.SIZE_INVALID,
                    f"Content-Range: says {part.last - part.first + 1} bytes, {end - start} came",
                    status=400,
                )
            return end

    async def cancel(self, repository: str, upload: str) -> None:
        """Forget an upload; RegistryError BLOB_UPLOAD_UNKNOWN."""
        with self.hold(upload):
            await self.offset(repository, upload)
            await self.forget(upload)

    async def forget(self, upload: str) -> None:
        """Drop what is left of an upload."""
        await self._database.write(lambda connection: index.end_upload(connection, upload))
        await asyncio.to_thread(self._files.discard, upload)

    async def sweep(self) -> None:
        """Give up stale uploads and files that no upload owns."""
        before_ns = nanoseconds(self._clock) - STALE_NS
        on_disk = await asyncio.to_thread(lambda: set(self._files.uploads()))
        known = await self._database.write(
            lambda connection: index.fresh_uploads(connection, before_ns)
        )
        for upload in on_disk - known - self._busy:
            await asyncio.to_thread(self._files.discard, upload)

    @contextmanager
    def hold(self, upload: str) -> Generator[None]:
        """Refuse a second request for the upload meanwhile."""
        if upload in self._busy:
            raise RegistryError(
                Code.BLOB_UPLOAD_INVALID, "upload: another request is writing to it", status=409
            )
        self._busy.add(upload)
        try:
            yield
        finally:
            self._busy.discard(upload)

    async def _need(self, size: int) -> None:
        if await asyncio.to_thread(self._files.free) < size + self._room_kept:
            raise RegistryError(Code.NO_ROOM, NO_ROOM)

    async def _receive(self, upload: str, start: int, body: AsyncIterator[bytes]) -> int:
        buffer, end = bytearray(), start
        try:
            async for data in body:
                end += len(data)
                if end > self._limit:
                    buffer.clear()
                    await self.forget(upload)
                    raise RegistryError(
                        Code.SIZE_INVALID, f"blob: more than the {self._limit} bytes allowed"
                    )
                buffer += data
                if len(buffer) >= BUFFER:
                    await self._need(len(buffer))
                    await asyncio.to_thread(self._files.append, upload, buffer)
                    buffer = bytearray()
        finally:
            if buffer:
                await asyncio.to_thread(self._files.append, upload, buffer)
        return end


def nanoseconds(clock: Clock) -> int:
    """The present in ns since 1970."""
    return int(clock().timestamp() * 1e9)
