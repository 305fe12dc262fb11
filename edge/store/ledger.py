"""The outbox's books within one transaction: numbering, room, gaps, trimming.

Rules of room, all in charged bytes (edge.store.entry):
- all apps together hold at most the limit, one app at most half of it (APP_SHARE);
- room is made by dropping the oldest droppable entry of the app that is past its half, else of the
  app with the most droppable bytes, so that whoever floods pays first;
- entries of refusing streams are never dropped; what nothing can make room for becomes a gap itself.
"""

import struct
from dataclasses import dataclass

from edge.store.entry import StoredEntry, gap_entry
from edge.store.layout import SEQUENCE, U64, Tables, Transaction, join, u64
from edge.store.readmark import ReadMark
from edge.wire.codec import decode_gap
from edge.wire.messages import EntryKind, Gap

APP_SHARE = 2
"""One app may hold 1/APP_SHARE of the outbox: a board with one app still buffers for long, and a
second app always finds room."""

_TOTALS = struct.Struct(">QQQ")
_ENTRY, _STREAM_GAP = b"e", b"g"


@dataclass(slots=True)
class Totals:
    """What one app holds."""

    droppable: int = 0
    """Charged bytes that may be dropped."""
    protected: int = 0
    """Charged bytes of refusing streams."""
    dropped: int = 0
    """Records ever dropped."""

    @property
    def held(self) -> int:
        """Charged bytes in all."""
        return self.droppable + self.protected


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What one bounded trim did."""

    deleted: int
    """Entries; fewer than the chunk when no more are left to trim."""
    protected: dict[str, int]
    """Charged bytes of refusing streams that it freed, by app."""


def read_totals(txn: Transaction, tables: Tables) -> dict[str, Totals]:
    """What every app holds."""
    with txn.cursor(db=tables.outbox_apps) as cursor:
        return {key.decode(): Totals(*_TOTALS.unpack(row)) for key, row in cursor}


def index_all(txn: Transaction, tables: Tables) -> None:
    """Build index and totals from the entries alone."""
    apps: dict[str, Totals] = {}
    with txn.cursor(db=tables.outbox) as cursor:
        for key, value in cursor:
            entry = StoredEntry.decode(value)
            if entry.kind is EntryKind.SENML:
                totals = apps.setdefault(entry.app, Totals())
                _book(txn, tables, totals, u64(key), entry)
    for app, totals in apps.items():
        _write_totals(txn, tables, app, totals)


class Ledger:
    """Reads the books, changes entries, and writes the books back with `save`. One transaction."""

    def __init__(self, txn: Transaction, tables: Tables, limit: int, mark: ReadMark) -> None:
        self._txn = txn
        self._tables = tables
        self._limit = limit
        self._mark = mark
        self._dropping_above: int | None = None
        self._apps = read_totals(txn, tables)
        self._changed: set[str] = set()
        row = txn.get(SEQUENCE, bytes(2 * U64.size), db=tables.meta)
        self._last, self._read = u64(row[: U64.size]), u64(row[U64.size :])

    def place(self, entry: StoredEntry) -> int:
        """Number and keep `entry`, making room for it; its sequence number."""
        self._last += 1
        fits = self._make_room(entry.app, entry.charge)
        totals = self._totals(entry.app)
        if fits or entry.protected:
            self._txn.put(
                U64.pack(self._last), entry.encode(), db=self._tables.outbox, append=True
            )
            _book(self._txn, self._tables, totals, self._last, entry)
        else:
            totals.dropped += entry.records
            self._leave_gap(self._last, entry)
        return self._last

    def trim(self, seq: int, chunk: int) -> Trimmed:
        """Delete at most `chunk` entries up to `seq`."""
        protected: dict[str, int] = {}
        with self._txn.cursor(db=self._tables.outbox) as cursor:
            for deleted in range(chunk):
                if not cursor.first() or u64(cursor.key()) > seq:
                    return Trimmed(deleted, protected)
                entry = StoredEntry.decode(cursor.value())
                self._unbook(u64(cursor.key()), entry)
                if entry.protected:
                    protected[entry.app] = protected.get(entry.app, 0) + entry.charge
                cursor.delete()
        return Trimmed(chunk, protected)

    def save(self) -> None:
        """Write the books back; nothing counts before."""
        for app in self._changed:
            _write_totals(self._txn, self._tables, app, self._apps[app])
        read = max(self._read, self._mark.value)
        self._txn.put(SEQUENCE, U64.pack(self._last) + U64.pack(read), db=self._tables.meta)

    def _totals(self, app: str) -> Totals:
        self._changed.add(app)
        return self._apps.setdefault(app, Totals())

    def _make_room(self, app: str, charge: int) -> bool:
        """Drop until `charge` fits; False when nothing is left to drop."""
        held = sum(totals.held for totals in self._apps.values())
        while True:
            if self._totals(app).held + charge > self._limit // APP_SHARE:
                victim = app
            elif held + charge > self._limit:
                victim = max(self._apps, key=lambda name: self._apps[name].droppable)
            else:
                return True
            freed = self._drop_oldest(victim)
            if not freed:
                return False
            held -= freed

    def _drop_oldest(self, app: str) -> int:
        """Replace the app's oldest droppable entry by a gap; bytes freed, 0 when it has none."""
        prefix = join(app, _ENTRY)
        with self._txn.cursor(db=self._tables.outbox_index) as cursor:
            if not cursor.set_range(prefix) or not cursor.key().startswith(prefix):
                return 0
            key = cursor.key()[len(prefix) :]
        entry = StoredEntry.decode(self._txn.get(key, b"", db=self._tables.outbox))
        self._unbook(u64(key), entry)
        self._totals(app).dropped += entry.records
        self._leave_gap(u64(key), entry)
        return entry.charge

    def _leave_gap(self, seq: int, entry: StoredEntry) -> None:
        """Put a gap at `seq`, taking in the stream's earlier one unless that may have been sent."""
        if self._dropping_above is None:
            self._dropping_above = max(self._mark.begin_drop(), self._read)
        gap = Gap(records=entry.records, first_ns=entry.time_ns, last_ns=entry.time_ns)
        if seq > self._dropping_above:
            gap = self._merge_open_gap(seq, entry, gap)
        value = gap_entry(entry.app, entry.stream, gap).encode()
        self._txn.put(U64.pack(seq), value, db=self._tables.outbox)

    def _merge_open_gap(self, seq: int, entry: StoredEntry, gap: Gap) -> Gap:
        txn, tables = self._txn, self._tables
        open_key = join(entry.app, _STREAM_GAP + entry.stream.encode())
        earlier_key = txn.replace(open_key, U64.pack(seq), db=tables.outbox_index)
        if earlier_key is None or u64(earlier_key) <= (self._dropping_above or 0):
            return gap
        stored = txn.pop(earlier_key, db=tables.outbox) or b""
        earlier = decode_gap(StoredEntry.decode(stored).payload)
        return Gap(
            records=earlier.records + gap.records,
            first_ns=min(earlier.first_ns, gap.first_ns),
            last_ns=max(earlier.last_ns, gap.last_ns),
        )

    def _unbook(self, seq: int, entry: StoredEntry) -> None:
        index = self._tables.outbox_index
        if entry.kind is EntryKind.GAP:
            open_key = join(entry.app, _STREAM_GAP + entry.stream.encode())
            if self._txn.get(open_key, db=index) == U64.pack(seq):
                self._txn.delete(open_key, db=index)
            return
        totals = self._totals(entry.app)
        if entry.protected:
            totals.protected -= entry.charge
        else:
            totals.droppable -= entry.charge
            self._txn.delete(join(entry.app, _ENTRY + U64.pack(seq)), db=index)


def _book(txn: Transaction, tables: Tables, totals: Totals, seq: int, entry: StoredEntry) -> None:
    if entry.protected:
        totals.protected += entry.charge
    else:
        totals.droppable += entry.charge
        txn.put(join(entry.app, _ENTRY + U64.pack(seq)), b"", db=tables.outbox_index)


def _write_totals(txn: Transaction, tables: Tables, app: str, totals: Totals) -> None:
    key = app.encode()
    if totals == Totals():
        txn.delete(key, db=tables.outbox_apps)
    else:
        row = _TOTALS.pack(totals.droppable, totals.protected, totals.dropped)
        txn.put(key, row, db=tables.outbox_apps)
