"""Relaxed entries until the writer moves them: two small files, each append one write() call.

What was written lies in the kernel's page cache (or on tmpfs): it survives the death of this
process at any instant. Frames carry a CRC, so a torn tail is seen and cut. One file is filled
while the other is being moved; each filling has a generation, and the outbox records the last
generation it holds in the transaction that holds it, so nothing is moved twice or forgotten.

File: magic, U64 generation, frames. Frame: u32 length > 0, u32 CRC-32 of the generation and the
body, body. Everything is big-endian.
"""

import errno
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.store.errors import StoreClosedError, StoreFailedError, StoreFullError

JOURNAL_LIMIT = 1 << 20
"""Bytes of one of the two files: at most 2 MiB of a small board's tmpfs, and some 300 packs of a
hundred records between two commits; the largest pack is 64 KiB."""

_HEAD = struct.Struct(">8sQ")
_FRAME = struct.Struct(">II")
_MAGIC = b"skerryj1"


@dataclass(frozen=True, slots=True)
class Recovered:
    """One journal file as found at opening."""

    generation: int
    bodies: tuple[bytes, ...]
    torn: int
    """Bytes after the last whole frame."""


def parse(data: bytes) -> Recovered | None:
    """The whole frames of a journal file; None when it has no header, as after a move."""
    if len(data) < _HEAD.size:
        return None
    magic, generation = _HEAD.unpack_from(data)
    if magic != _MAGIC:
        return None
    bodies = tuple(_frames(data, generation))
    used = _HEAD.size + sum(_FRAME.size + len(body) for body in bodies)
    return Recovered(generation, bodies, len(data) - used)


class Journal:
    """The pair of files in `directory`. Any thread may append; one thread seals and releases."""

    def __init__(self, directory: Path, identity: bytes, moved: int) -> None:
        """Open or create the files of the store `identity`; `moved` is in the outbox already.

        What a crash left in them counts as sealed: the next move takes it.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._changed = threading.Condition()
        self._generation = moved
        self._active: int | None = None
        self._size = 0
        self._free: list[int] = []
        self._sealed: list[tuple[int, int]] = []
        self._stuck = False
        self._closed = False
        self.torn = 0
        """Bytes cut from the end when the files were opened."""
        found: list[tuple[int, int, int]] = []
        for number in (0, 1):
            path = directory / f"outbox-{identity.hex()}.{number}.journal"
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            size = os.fstat(handle).st_size
            left = parse(os.pread(handle, size, 0))
            if left is not None and left.generation > moved:
                found.append((left.generation, handle, size))
                self.torn += left.torn
            else:
                os.ftruncate(handle, 0)
                self._free.append(handle)
        for generation, handle, size in sorted(found):
            self._generation = generation
            self._sealed.append((handle, size))

    def append(self, body: bytes) -> bool:
        """Write one frame; whether it is the first since the last seal. Blocks while both are full.

        StoreFullError when there is no room and the last move failed, or the journal's disk is full.
        """
        need = _HEAD.size + _FRAME.size + len(body)
        with self._changed:
            while True:
                if self._closed:
                    raise StoreClosedError("the store is closed")
                if self._active is None and self._free:
                    self._active = self._free.pop()
                if self._active is not None and self._size + need <= JOURNAL_LIMIT:
                    return self._write(self._active, body)
                if self._stuck:
                    raise StoreFullError(
                        "the journal is full and cannot be moved into the store, whose disk or "
                        "map is full; free some space"
                    )
                self._changed.wait()

    @property
    def crowded(self) -> bool:
        """More than half full: it should be moved before its time."""
        return self._size > JOURNAL_LIMIT // 2

    @property
    def empty(self) -> bool:
        """Everything appended is in the outbox, on disk."""
        with self._changed:
            return not self._size and not self._sealed

    def seal(self) -> list[Recovered]:
        """Everything appended so far, oldest first; appends go on in the free file, if any."""
        with self._changed:
            if self._active is not None and self._size:
                self._sealed.append((self._active, self._size))
                self._active = None
                self._size = 0
            sealed = list(self._sealed)
        found = (parse(os.pread(handle, size, 0)) for handle, size in sealed)
        return [journal for journal in found if journal]

    def release(self) -> None:
        """What was sealed is in the outbox, on disk: its files are free."""
        with self._changed:
            for handle, _ in self._sealed:
                os.ftruncate(handle, 0)
                self._free.append(handle)
            self._sealed.clear()
            self._stuck = False
            self._changed.notify_all()

    def stick(self) -> None:
        """What was sealed could not be moved; it stays, and is sealed again by the next try."""
        with self._changed:
            self._stuck = True
            self._changed.notify_all()

    def close(self) -> None:
        """Close the files, keeping what they hold; may be called twice."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            handles = [*self._free, *(handle for handle, _ in self._sealed)]
            if self._active is not None:
                handles.append(self._active)
            for handle in handles:
                os.close(handle)
            self._changed.notify_all()

    def _write(self, handle: int, body: bytes) -> bool:
        first = not self._size
        generation = self._generation + 1 if first else self._generation
        frame = _FRAME.pack(len(body), _checksum(generation, body)) + body
        data = _HEAD.pack(_MAGIC, generation) + frame if first else frame
        try:
            # Unlike an appending write, a repeat after a partial one overwrites it.
            written = os.pwrite(handle, data, self._size)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise StoreFullError("no space left for the journal; free some") from error
            raise StoreFailedError(error.errno, f"journal: {error.strerror}") from error
        if written < len(data):
            raise StoreFullError("no space left for the journal; free some")
        self._generation = generation
        self._size += written
        return first


def _checksum(generation: int, body: bytes) -> int:
    """Seeded by the generation: an old frame under a new header is no frame."""
    return zlib.crc32(body, zlib.crc32(generation.to_bytes(8, "big")))


def _frames(data: bytes, generation: int) -> Iterator[bytes]:
    position = _HEAD.size
    while position + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, position)
        position += _FRAME.size
        body = data[position : position + length]
        if not length or len(body) < length or _checksum(generation, body) != checksum:
            return
        yield body
        position += length
