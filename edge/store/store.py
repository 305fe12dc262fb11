"""The agent's store: everything that must outlive a crash, in one LMDB environment."""

from pathlib import Path
from typing import Self

from edge.store.desired import DesiredSet
from edge.store.environment import Environment
from edge.store.errors import StoreOpenError
from edge.store.journal import Journal
from edge.store.kv import KeyValue
from edge.store.layout import IDENTITY, MOVED, SEQUENCE, U64, Tables, open_tables, u64
from edge.store.meta import Meta
from edge.store.migrations import migrate
from edge.store.outbox import Outbox
from edge.store.readmark import ReadMark
from edge.store.reported import ReportedSet
from edge.store.writer import Writer

OUTBOX_LIMIT = 64 << 20
"""Charged bytes: at one 3.4 KB pack a minute it lasts for 13 days, at one a second for 5 hours."""
SYNC_INTERVAL = 1.0
"""Seconds a relaxed entry may wait for the disk."""
MAP_BASE = 64 << 20
"""Bytes of map for all but the outbox: key-value 32 MiB, a desired set of some MiB, and the copies
that a transaction makes of them."""
MAP_FACTOR = 3
"""Map bytes for each byte of the outbox's limit: a payload just over a page takes two, and freed
pages wait one transaction. With the default limit the map is 256 MiB: sparse on disk, never more
than what is used, and small beside the 3 GiB that a 32-bit process can address."""


class Store:
    """The open store; owned by one process. Any thread may use its parts."""

    def __init__(self, env: Environment, tables: Tables, outbox: Outbox, writer: Writer) -> None:
        """Put the parts together; `open` is the way in."""
        self._env = env
        self._writer = writer
        self.outbox = outbox
        self.desired = DesiredSet(env, tables, writer)
        self.reported = ReportedSet(env, tables, writer)
        self.kv = KeyValue(env, tables, writer)
        self.meta = Meta(env, tables, writer)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        runtime: Path | None = None,
        outbox_limit: int = OUTBOX_LIMIT,
        sync_interval: float = SYNC_INTERVAL,
    ) -> Self:
        """Open or create the store in `directory`, bring it to this version, take journals in.

        `runtime` is a directory on tmpfs for the journals of relaxed streams, so that an SD card
        sees one write per `sync_interval`; without it they lie in `directory`. StoreOpenError names
        the file and what to do.
        """
        env = Environment.open(directory, MAP_BASE + MAP_FACTOR * outbox_limit)
        try:
            return cls._assemble(env, runtime or directory, outbox_limit, sync_interval)
        except BaseException:
            env.close()
            raise

    @classmethod
    def _assemble(cls, env: Environment, runtime: Path, limit: int, sync_interval: float) -> Self:
        with env.write() as txn:
            tables = open_tables(env.lmdb, txn)
            migrate(txn, tables)
            identity = txn.get(IDENTITY, b"", db=tables.meta)
            moved = u64(txn.get(MOVED, db=tables.meta))
            read = u64(txn.get(SEQUENCE, b"", db=tables.meta)[U64.size :])
        try:
            journal = Journal(runtime, identity, moved)
            mark = ReadMark(runtime, identity, read)
        except OSError as error:
            raise StoreOpenError(
                f"{runtime}: {error.strerror}; the journals of relaxed streams need a writable place"
            ) from error
        outbox = Outbox(env, tables, journal, mark, limit, sync_interval)
        writer = Writer(env, outbox)
        outbox.start(writer)
        return cls(env, tables, outbox, writer)

    def close(self) -> None:
        """Commit what is waiting and release the files; may be called twice."""
        self._writer.close()
        self.outbox.close()
        self._env.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
