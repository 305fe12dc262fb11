"""The one way to the database: snapshots for readers, one writer whose commits are shared.

Rules: all SQL runs in threads, never on the event loop. A read sees one snapshot. Writes are
applied one after the other; those that wait while a commit runs share the next commit, so that
the price of `fsync` is paid once a group. Each write has a savepoint of its own: one that fails
leaves no trace and troubles nobody else in its group.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError

from cloud.errors import NoRoom, StoreClosed, UnreadableDatabase, UnsupportedDatabase
from cloud.store.migrate import migrate

T = TypeVar("T")

READERS = 4
"""Threads that read: two cores are busy with two; the others wait for the disk."""
QUEUE_LIMIT = 1024
"""Writes that may wait; further callers wait for a place. A few MB of telemetry batches."""
GROUP_LIMIT = 256
"""Writes in one commit: keeps the wait of the first caller short, and its savepoints few."""
BUSY_TIMEOUT_MS = 5000
"""How long to wait for another process (a backup, a shell) that holds the file."""
NO_ROOM = (
    "the cloud's disk is full and nothing was stored; its operator frees room where --data is, "
    "then try again"
)
CACHE_KIB = 4096
"""Page cache of each connection: five connections stay under 20 MB."""


@dataclass(slots=True)
class _Job:
    work: Callable[[Connection], Any]
    then: Callable[[Any], None] | None
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def deliver(self) -> None:
        if self.error is None and self.then is not None:
            self.then(self.result)
        if self.future.done():
            return  # its caller was cancelled; the write stands
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Database:
    """Owns the threads and connections to one database.

    Concurrency: belongs to the event loop it was opened on; `read` and `write` may be called
    from any number of its tasks.
    """

    def __init__(self, reader: Engine, writer: Engine) -> None:
        self._reader = reader
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="skerry-read")
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._places = asyncio.Semaphore(QUEUE_LIMIT)
        self._closed = False
        self._thread = threading.Thread(target=self._write_loop, name="skerry-write", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, path: Path | str) -> Self:
        """Open or create the file (a path or a `sqlite:///` URL) and bring its schema up to date.

        Raises NewerDatabase for a file of a newer Skerry, UnsupportedDatabase for another URL,
        UnreadableDatabase for what SQLite cannot work with.
        """
        url = _url(path)
        writer = _engine(url, begin="BEGIN IMMEDIATE", pool_size=1)
        try:
            await asyncio.to_thread(migrate, writer)
        except DatabaseError as error:
            writer.dispose()
            raise UnreadableDatabase(
                f"{path}: {error.orig}. Nothing was changed; restore a backup, move the file away "
                "to start empty, or see that the disk has room and may be written"
            ) from error
        except BaseException:
            writer.dispose()
            raise
        return cls(_engine(url, begin="BEGIN", pool_size=READERS, query_only=True), writer)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns from one consistent snapshot; it runs in a reader's thread."""
        if self._closed:
            raise StoreClosed("the database is closed")
        return await self._loop.run_in_executor(self._readers, self._read, work)

    async def write(
        self, work: Callable[[Connection], T], then: Callable[[T], None] | None = None
    ) -> T:
        """What `work` returns, once it is on the disk.

        An exception of `work` undoes only this write and is raised here. `then` is called on the
        event loop after the commit, in the order of commits, even when this caller is cancelled
        meanwhile: a cancelled write may still happen.
        """
        async with self._places:
            if self._closed:
                raise StoreClosed("the database is closed")
            future: asyncio.Future[T] = self._loop.create_future()
            self._jobs.put(_Job(work, then, future))
            return await future

    async def close(self) -> None:
        """Finish the writes that wait, then let go of the file. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._readers.shutdown)
        self._reader.dispose()
        self._writer.dispose()

    def _read(self, work: Callable[[Connection], T]) -> T:
        with self._reader.connect() as connection, connection.begin():
            return work(connection)

    def _write_loop(self) -> None:
        with self._writer.connect() as connection:
            while (group := self._next_group()) is not None:
                try:
                    _commit(connection, group)
                except Exception as error:  # noqa: BLE001 - each caller of the group hears of it
                    for job in group:
                        job.error = NoRoom(NO_ROOM) if _is_full(error) else error
                try:
                    self._loop.call_soon_threadsafe(_deliver, group)
                except RuntimeError:
                    return  # the loop is gone and with it everybody who could listen

    def _next_group(self) -> list[_Job] | None:
        first = self._jobs.get()
        if first is None:
            return None
        group = [first]
        while len(group) < GROUP_LIMIT:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            group.append(job)
        return group


def _commit(connection: Connection, group: list[_Job]) -> None:
    """Apply a group in one transaction; raises when nothing of it was kept."""
    with connection.begin():
        for job in group:
            connection.exec_driver_sql("SAVEPOINT job")  # begin_nested takes four times as long
            try:
                job.result = job.work(connection)
            except Exception as error:
                if _is_full(error):
                    raise  # SQLite may have ended the transaction already
                job.error = error
                connection.exec_driver_sql("ROLLBACK TO job")
            connection.exec_driver_sql("RELEASE job")


def _is_full(error: Exception) -> bool:
    """Whether SQLite found no room on the disk."""
    origin = error.orig if isinstance(error, DatabaseError) else None
    return getattr(origin, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _deliver(group: list[_Job]) -> None:
    for job in group:
        job.deliver()


def _url(path: Path | str) -> str:
    text = str(path)
    if "://" not in text:
        return f"sqlite:///{text}"
    try:
        backend = make_url(text).get_backend_name()
    except ArgumentError as error:
        raise UnsupportedDatabase(f"{text!r} is not a database URL") from error
    if backend != "sqlite":
        raise UnsupportedDatabase(f"{backend} is not supported yet; use a path or sqlite:///…")
    return text


def _engine(url: str, *, begin: str, pool_size: int, query_only: bool = False) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"check_same_thread": False, "cached_statements": 256},
    )

    def on_connect(connection: sqlite3.Connection, _record: object) -> None:
        # The driver would begin transactions by itself, and too late for savepoints.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        if query_only:
            connection.execute("PRAGMA query_only=ON")

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine
