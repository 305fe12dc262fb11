"""Telemetry that the cloud has not acknowledged: numbered, bounded, kept through crashes.

Order: entries are numbered in the order in which calls returned, for both durabilities, because
every commit takes the journal in before anything else. So a synced append, a flush and even a
key-value write put on disk all that was published before them.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from edge.store.allowance import Allowance
from edge.store.entry import OVERHEAD, StoredEntry
from edge.store.environment import Environment
from edge.store.errors import OutboxFullError, StoreError, StoreFullError
from edge.store.journal import Journal, Recovered
from edge.store.layout import EPOCH, MOVED, SEQUENCE, U64, Tables, Transaction, u64
from edge.store.ledger import APP_SHARE, Ledger, Trimmed, read_totals
from edge.store.migrations import new_epoch
from edge.store.readmark import ReadMark
from edge.store.writer import Writer
from edge.wire.manifest import Durability, OnFull
from edge.wire.messages import Entry, EntryKind
from hal.clock import monotonic

TRIM_CHUNK = 512
"""Entries deleted in one operation: some 10 ms, so that appends get in between."""


@dataclass(frozen=True, slots=True)
class OutboxStats:
    """What the outbox holds; bytes are charged ones (payload and OVERHEAD each)."""

    entries: int
    """Packs and gaps."""
    bytes: int
    apps: dict[str, int]
    """Bytes held by each app."""
    dropped: int
    """Records ever dropped for want of room; each is counted in a gap too."""
    torn: int
    """Bytes cut from a journal's end when the store was opened."""


class Outbox:
    """The queue of telemetry entries. Any thread may call; what writes blocks for the disk."""

    def __init__(
        self,
        env: Environment,
        tables: Tables,
        journal: Journal,
        mark: ReadMark,
        limit: int,
        sync_interval: float,
    ) -> None:
        self._env = env
        self._tables = tables
        self._journal = journal
        self._mark = mark
        self._limit = limit
        self._sync_interval = sync_interval
        self._boarded = False
        self._grown = False
        self._subscribers: list[Callable[[], None]] = []
        self._subscribing = threading.Lock()
        self._writer: Writer
        self._allowance: Allowance

    def start(self, writer: Writer) -> None:
        """Write through `writer`, whose rider this outbox is; take in what the journal holds."""
        self._writer = writer
        if not self._journal.empty:
            # A full disk must not keep the agent from starting: the journal waits.
            with suppress(StoreFullError):
                writer.call(lambda _: None)
        with self._env.read() as txn:
            held = {app: row.protected for app, row in read_totals(txn, self._tables).items()}
        self._allowance = Allowance(self._limit, held)

    @property
    def epoch(self) -> int:
        """Identity of the numbering; a new store has a new one."""
        with self._env.read() as txn:
            return u64(txn.get(EPOCH, db=self._tables.meta))

    @property
    def last_seq(self) -> int:
        """Highest number assigned on disk; 0 when none."""
        with self._env.read() as txn:
            return u64((txn.get(SEQUENCE, db=self._tables.meta) or bytes(8))[: U64.size])

    @property
    def last_ns(self) -> int:
        """Stamp of the newest entry held, a gap's excepted; 0 when there is none."""
        with self._env.read() as txn, txn.cursor(db=self._tables.outbox) as cursor:
            found = cursor.last()
            while found:
                entry = StoredEntry.decode(cursor.value())
                if entry.kind is not EntryKind.GAP:
                    return entry.time_ns
                found = cursor.prev()
        return 0

    def append(
        self,
        app: str,
        stream: str,
        time_ns: int,
        payload: bytes,
        records: int,
        *,
        durability: Durability,
        on_full: OnFull,
    ) -> int:
        """Keep one SenML pack. Synced: its number, once on disk. Relaxed: 0, safe from SIGKILL.

        OutboxFullError when the stream refuses and has no room, or the pack exceeds an app's share;
        StoreFullError when the disk is full; ValueError names a field out of bounds.
        """
        entry = StoredEntry(
            kind=EntryKind.SENML,
            protected=on_full is OnFull.REFUSE,
            app=app,
            stream=stream,
            time_ns=time_ns,
            records=records,
            payload=payload,
        )
        if entry.charge > self._limit // APP_SHARE:
            raise OutboxFullError(
                f"payload: {len(payload)} bytes and {OVERHEAD} never fit the "
                f"{self._limit // APP_SHARE} that one app may hold"
            )
        if not entry.protected:
            return self._keep(entry, durability)
        self._allowance.take(app, entry.charge)
        try:
            return self._keep(entry, durability)
        except BaseException:
            self._allowance.give(app, entry.charge)
            raise

    def flush(self, app: str, timeout: float) -> None:  # noqa: ARG002 (one commit takes all apps)
        """Wait until all that `app` published is on disk; FlushTimeoutError after `timeout` s."""
        if not self._journal.empty:
            self._writer.submit(lambda _: self._require_boarded()).wait(timeout)

    def read(self, after: int, max_bytes: int, max_entries: int) -> list[Entry]:
        """Entries with numbers above `after`, oldest first, for sending.

        At most `max_entries` and `max_bytes` of payload, but at least one when there is any.
        """
        while True:
            drops = self._mark.drops
            entries = self._collect(after, max_bytes, max_entries)
            if not entries or self._mark.raise_to(entries[-1].seq) == drops:
                return entries

    def trim(self, epoch: int, seq: int) -> None:
        """Delete entries up to `seq`, which the cloud holds; nothing when `epoch` is another."""
        deleted = TRIM_CHUNK
        while deleted == TRIM_CHUNK:
            trimmed = self._writer.call(lambda txn: self._trim(txn, epoch, seq), deletes=True)
            for app, charge in trimmed.protected.items():
                self._allowance.give(app, charge)
            deleted = trimmed.deleted

    def new_epoch(self) -> int:
        """Start another epoch, on disk; entries keep their numbers and are sent again under it."""
        epoch = new_epoch()
        self._writer.call(lambda txn: txn.put(EPOCH, U64.pack(epoch), db=self._tables.meta))
        return epoch

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` on the writer's thread after each commit with new entries.

        It must not block, raise or write to the store. Call what is returned to cancel.
        """
        with self._subscribing:
            self._subscribers = [*self._subscribers, callback]
        return lambda: self._unsubscribe(callback)

    def stats(self) -> OutboxStats:
        """What the outbox holds, without what the journal still does."""
        with self._env.read() as txn:
            totals = read_totals(txn, self._tables)
            entries = txn.stat(self._tables.outbox)["entries"]
        return OutboxStats(
            entries=entries,
            bytes=sum(row.held for row in totals.values()),
            apps={app: row.held for app, row in totals.items() if row.held},
            dropped=sum(row.dropped for row in totals.values()),
            torn=self._journal.torn,
        )

    def close(self) -> None:
        """Close the journal and the mark, keeping what they hold; may be called twice."""
        self._journal.close()
        self._mark.close()

    def board(self, txn: Transaction) -> None:
        """Rider: take the journal in. A failure leaves the journal as it is."""
        journals = self._journal.seal()
        self._boarded = True
        if not journals:
            return
        try:
            with self._env.write(txn) as nested:
                self._move(nested, journals)
        except StoreError:
            self._boarded = False
        else:
            self._grown = True

    def landed(self, *, on_disk: bool) -> None:
        """Rider: free the journal and tell the subscribers, or keep everything."""
        self._mark.end_drop()
        boarded, self._boarded = self._boarded, False
        grown, self._grown = self._grown, False
        if boarded and on_disk:
            self._journal.release()
        elif not self._journal.empty:
            self._journal.stick()
            self._writer.commit_by(monotonic() + self._sync_interval)
        if grown and on_disk:
            for callback in self._subscribers:
                callback()

    def _move(self, txn: Transaction, journals: list[Recovered]) -> None:
        """Put journals into the outbox with their generation, so that it happens once."""
        moved = u64(txn.get(MOVED, db=self._tables.meta))
        ledger = Ledger(txn, self._tables, self._limit, self._mark)
        for journal in journals:
            if journal.generation > moved:
                moved = journal.generation
                for body in journal.bodies:
                    ledger.place(StoredEntry.decode(body))
        ledger.save()
        txn.put(MOVED, U64.pack(moved), db=self._tables.meta)

    def _keep(self, entry: StoredEntry, durability: Durability) -> int:
        if durability is Durability.SYNCED:
            return self._writer.call(lambda txn: self._place(txn, entry))
        if self._journal.append(entry.encode()):
            self._writer.commit_by(monotonic() + self._sync_interval)
        elif self._journal.crowded:
            self._writer.commit_by(monotonic())
        return 0

    def _place(self, txn: Transaction, entry: StoredEntry) -> int:
        self._require_boarded()
        ledger = Ledger(txn, self._tables, self._limit, self._mark)
        seq = ledger.place(entry)
        ledger.save()
        self._grown = True
        return seq

    def _trim(self, txn: Transaction, epoch: int, seq: int) -> Trimmed:
        if u64(txn.get(EPOCH, db=self._tables.meta)) != epoch:
            return Trimmed(0, {})
        ledger = Ledger(txn, self._tables, self._limit, self._mark)
        trimmed = ledger.trim(seq, TRIM_CHUNK)
        if trimmed.deleted:
            ledger.save()
        return trimmed

    def _collect(self, after: int, max_bytes: int, max_entries: int) -> list[Entry]:
        entries: list[Entry] = []
        room = max_bytes
        with self._env.read() as txn, txn.cursor(db=self._tables.outbox) as cursor:
            found = cursor.set_range(U64.pack(after + 1))
            while found and len(entries) < max_entries:
                entry = StoredEntry.decode(cursor.value()).at(u64(cursor.key()))
                room -= len(entry.payload)
                if room < 0 and entries:
                    break
                entries.append(entry)
                found = cursor.next()
        return entries

    def _require_boarded(self) -> None:
        """Keep the order: nothing synced overtakes a journal that could not be moved."""
        if not self._boarded:
            raise StoreFullError("the journal could not be moved: the store's disk or map is full")

    def _unsubscribe(self, callback: Callable[[], None]) -> None:
        with self._subscribing:
            self._subscribers = [other for other in self._subscribers if other is not callback]
