"""The LMDB environment: opened by one process, never repaired by deleting, never over-read.

LMDB's promise holds on its default settings only: a commit returns after `fdatasync`, and a power
cut at any instant leaves the last commit whole. See docs/decisions/2026-11-23-relaxed-durability.md
for the faster settings that were refused.
"""

import errno
import fcntl
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import lmdb

from edge.store.errors import (
    StoreBusyError,
    StoreClosedError,
    StoreCorruptError,
    StoreError,
    StoreFailedError,
    StoreFullError,
    StoreOpenError,
)
from edge.store.layout import TABLE_NAMES, Transaction

READERS = 8
"""Read transactions at once; each lasts microseconds, more callers than this wait their turn."""
RESERVE = 8 << 20
"""Bytes by which the map grows while something is deleted from a full one: freeing a page takes
copies of the pages above it, some 40 KiB for the deepest deletion."""
ROOM = 1 << 20
"""Bytes free below which a disk counts as full: one commit writes less."""
LIB_VERSION = 0
"""LMDB 0.9's file format: a decade of power cuts behind it, and readable by every other tool."""


class Environment:
    """An open LMDB environment and the lock that keeps other processes out.

    Any thread may read; one thread at a time may write (LMDB's own lock sees to it).
    """

    def __init__(
        self, lmdb_env: lmdb.Environment, directory: Path, lock: int, map_size: int
    ) -> None:
        self.lmdb = lmdb_env
        self._directory = directory
        self._lock = lock
        self._map_size = map_size
        self._readers = threading.Semaphore(READERS)
        self._closed = False
        self._damage: str | None = None
        """The first sign of a damaged page; nothing is read or written after it."""

    @classmethod
    def open(cls, directory: Path, map_size: int) -> Self:
        """Open or create the environment in `directory`; StoreOpenError says what to do."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _take_lock(directory / "store.lock")
        except OSError as error:
            raise StoreOpenError(
                f"{directory}: {error.strerror}; the agent needs a directory it can write to"
            ) from error
        try:
            lmdb_env = _open_lmdb(directory, map_size)
        except BaseException:
            os.close(lock)
            raise
        return cls(lmdb_env, directory, lock, map_size)

    @contextmanager
    def read(self) -> Generator[Transaction]:
        """A snapshot; keep it short, because pages it can see are not reused meanwhile."""
        if self._closed:
            raise StoreClosedError("the store is closed")
        if self._damage is not None:
            raise self._corrupt()
        with self._readers, self._translated(), self.lmdb.begin() as txn:
            yield txn

    @contextmanager
    def write(self, parent: Transaction | None = None) -> Generator[Transaction]:
        """A write transaction, or one nested in `parent`: all of it or, on an error, nothing."""
        if self._damage is not None:
            raise self._corrupt()
        with self._translated(), self.lmdb.begin(write=True, parent=parent) as txn:
            yield txn

    @contextmanager
    def reserve(self) -> Generator[None]:
        """Lend the map RESERVE bytes for a deletion; additions cannot use them afterwards."""
        self._resize(self._map_size + RESERVE)
        try:
            yield
        finally:
            self._resize(self._map_size)

    def close(self) -> None:
        """Release the files; may be called twice."""
        if not self._closed:
            self._closed = True
            self.lmdb.close()
            os.close(self._lock)

    @contextmanager
    def _translated(self) -> Generator[None]:
        """Turn LMDB's errors into the store's."""
        try:
            yield
        except lmdb.MapFullError as error:
            raise StoreFullError(
                "the store's map is full; it empties as the cloud acknowledges telemetry"
            ) from error
        except (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.BadTxnError) as error:
            # A transaction that met a damaged page is bad to its end, whoever goes on with it.
            self._damage = self._damage or str(error)
            raise self._corrupt() from error
        except lmdb.Error as error:
            if self._lacks_room(error.code):
                raise StoreFullError(f"{self._directory}: no space left; free some") from error
            raise StoreFailedError(
                error.code, f"{self._directory}: the disk failed: {error}"
            ) from error

    def _corrupt(self) -> StoreCorruptError:
        return StoreCorruptError(
            f"{self._directory}: the store is damaged ({self._damage}) and is not used further; "
            "stop the agent, keep a copy, see docs/telemetry.md"
        )

    def _lacks_room(self, code: int) -> bool:
        """LMDB reports a write that the last free page cut short as EIO."""
        if code in {errno.ENOSPC, errno.EDQUOT}:
            return True
        disk = os.statvfs(self._directory)
        return code == errno.EIO and disk.f_bavail * disk.f_frsize < ROOM

    def _resize(self, map_size: int) -> None:
        """LMDB remaps only while nobody reads."""
        for _ in range(READERS):
            self._readers.acquire()
        try:
            with self._translated():
                self.lmdb.set_mapsize(map_size)
        finally:
            self._readers.release(READERS)


def _take_lock(path: Path) -> int:
    """Hold `path` locked until closed; the kernel releases it when the process dies."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise StoreBusyError(
            f"{path}: process {owner} has this store open; stop it, or use another directory"
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _open_lmdb(directory: Path, map_size: int) -> lmdb.Environment:
    data = directory / "data.mdb"
    fresh = not data.exists()
    if not fresh:
        _check_header(data)
    try:
        env = lmdb.Environment(
            str(directory),
            map_size=map_size,
            max_dbs=len(TABLE_NAMES),
            # The writer's transactions need no slot; one spare for a tool that looks inside.
            max_readers=READERS + 1,
            mode=0o600,
            # A board's memory is worth more than reading ahead in a random-access file.
            readahead=False,
            lib_version=LIB_VERSION,
        )
    except (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError) as error:
        raise _corrupt(data, str(error)) from error
    except lmdb.Error as error:
        raise StoreOpenError(f"{data}: cannot be opened: {error}") from error
    try:
        if fresh:
            _sync_directories(directory)
        else:
            _check_length(env, data)
    except BaseException:
        env.close()
        raise
    return env


def _check_header(data: Path) -> None:
    """LMDB takes an empty file for a new store: an emptied one must not pass for that."""
    try:
        size = data.stat().st_size
    except OSError as error:
        raise StoreOpenError(f"{data}: {error.strerror}") from error
    if size == 0:
        raise _corrupt(data, "the file is empty")


def _check_length(env: lmdb.Environment, data: Path) -> None:
    """Refuse a cut file: LMDB would touch the missing pages and the kernel end the process.

    A sound file may be some pages short (the last ones may be free), so a short one is verified.
    """
    claimed = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
    if data.stat().st_size >= claimed:
        return
    fault = _first_fault(data)
    if fault is not None:
        raise _corrupt(data, f"{data.stat().st_size} of {claimed} bytes are left; {fault}")


def _first_fault(data: Path) -> str | None:
    """What a walk over every page finds first; imported here because it is almost never needed."""
    from lmdb.verify import VerifyError, verify  # noqa: PLC0415

    try:
        faults: list[str] = verify(str(data.parent))  # type: ignore[no-untyped-call]
    except VerifyError as error:
        return str(error)
    return str(faults[0]) if faults else None


def _corrupt(data: Path, why: str) -> StoreError:
    return StoreCorruptError(
        f"{data}: not a readable store: {why}. Nothing was changed. Restore it from a backup, or "
        f"move it away: the agent then starts empty, the cloud sends the desired state again, "
        f"and readings not yet sent stay in the moved file"
    )


def _sync_directories(directory: Path) -> None:
    """Make the new file's name survive a power cut: `fdatasync` covers its contents only."""
    for path in (directory, directory.parent):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
