"""Readings, stored exactly once.

Rules: a batch and its node's high-water mark are one transaction; entries at or below the mark are
skipped; an entry that cannot be decoded is kept whole in the table of rejected ones and never
blocks the next. Batches of one node must be given in the order they arrived.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from cloud.metrics import Metrics
from cloud.store.database import Database
from cloud.telemetry.errors import EntryError, SenmlError, TelemetryError
from cloud.telemetry.schema import GAPS, MARKS, READINGS, REJECTED
from cloud.telemetry.senml import decode
from cloud.telemetry.series import Key, SeriesCache, full_name, series_id
from cloud.telemetry.signal import Signal
from edge.wire.codec import decode_gap
from edge.wire.errors import DecodeError, FrameTooLargeError
from edge.wire.messages import Entry, EntryKind

REJECTED_PER_NODE = 100
"""Rejected entries kept a node, the newest: at most 6.4 MB to find out what went wrong."""

_TIME_MAX = (1 << 63) - 1
_COLUMNS = ("series_id", "time_ns", "number", "text", "flag", "data", "total", "update_s")
# Through the driver: Core's handling of parameters would cost more than SQLite's insert.
_INSERT_READINGS = (
    f"INSERT INTO {READINGS.name} ({', '.join(_COLUMNS)})"  # noqa: S608 - constants only
    f" VALUES ({', '.join('?' * len(_COLUMNS))})"
)

_Row = tuple[object, ...]


# Built once: for each batch anew, Core's building would take longer than the batch itself.
_MARK_OF = select(MARKS.c.seq).where(
    MARKS.c.node == bindparam("node"), MARKS.c.epoch == bindparam("epoch")
)
_NEW_MARK = upsert(MARKS)
_RAISE_MARK = _NEW_MARK.on_conflict_do_update(
    index_elements=[MARKS.c.node, MARKS.c.epoch], set_={"seq": _NEW_MARK.excluded.seq}
)


class TelemetryStore:
    """Stores batches; `changed` is notified after each commit."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._database = database
        self._cache = SeriesCache()
        self.changed = Signal()
        self._records = metrics.counter(
            "skerry_telemetry_records_total", "SenML records stored, gaps not counted."
        )
        self._batches = metrics.counter("skerry_telemetry_batches_total", "Batches committed.")
        self._duplicates = metrics.counter(
            "skerry_telemetry_duplicate_entries_total", "Entries sent again and skipped."
        )
        self._rejected = metrics.counter(
            "skerry_telemetry_rejected_entries_total", "Entries that could not be decoded."
        )

    async def mark(self, node: str, epoch: int) -> int:
        """Everything of the node's epoch up to here is stored; 0 for an unknown epoch."""
        return await self._database.read(lambda connection: _mark(connection, node, epoch))

    async def ingest(self, node: str, epoch: int, entries: Sequence[Entry]) -> int:
        """The new mark, once the batch is on disk. Entries must have rising `seq`."""
        if any(after.seq <= before.seq for before, after in pairwise(entries)):
            raise TelemetryError("entries: seq does not rise")
        batch = await self._database.write(
            lambda connection: _ingest(connection, self._cache, node, epoch, entries),
            self._committed,
        )
        return batch.mark

    def _committed(self, batch: "_Batch") -> None:
        """Runs after the commit, in its order: only now may others rely on the new series."""
        self._cache.add(batch.new_series)
        self._records.add(len(batch.rows))
        self._batches.add()
        self._duplicates.add(batch.duplicates)
        self._rejected.add(len(batch.rejected))
        self.changed.notify()


@dataclass(slots=True)
class _Batch:
    """What one call stores, and what it found out."""

    mark: int
    duplicates: int = 0
    rows: list[_Row] = field(default_factory=list[_Row])
    gaps: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    rejected: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    new_series: dict[Key, int] = field(default_factory=dict[Key, int])


def _mark(connection: Connection, node: str, epoch: int) -> int:
    return connection.scalar(_MARK_OF, {"node": node, "epoch": epoch}) or 0


def _ingest(
    connection: Connection, cache: SeriesCache, node: str, epoch: int, entries: Sequence[Entry]
) -> _Batch:
    mark = _mark(connection, node, epoch)
    fresh = [entry for entry in entries if entry.seq > mark]
    batch = _Batch(mark, duplicates=len(entries) - len(fresh))
    if not fresh:
        return batch
    for entry in fresh:
        try:
            _take(connection, cache, batch, node, entry)
        except (SenmlError, EntryError, DecodeError, FrameTooLargeError) as error:
            batch.rejected.append(_refusal(node, epoch, entry, str(error)))
    batch.mark = fresh[-1].seq
    if batch.rows:
        connection.exec_driver_sql(_INSERT_READINGS, batch.rows)
    if batch.gaps:
        connection.execute(insert(GAPS), batch.gaps)
    if batch.rejected:
        _keep_rejected(connection, node, batch.rejected)
    connection.execute(_RAISE_MARK, {"node": node, "epoch": epoch, "seq": batch.mark})
    return batch


def _take(
    connection: Connection, cache: SeriesCache, batch: _Batch, node: str, entry: Entry
) -> None:
    if entry.kind is EntryKind.GAP:
        gap = decode_gap(entry.payload)
        if not 0 <= gap.first_ns <= gap.last_ns <= _TIME_MAX:
            raise EntryError("gap.first_ns: must lie between 1970 and gap.last_ns, before 2262")
        batch.gaps.append(
            {
                "node": node,
                "app": entry.app,
                "stream": full_name(entry.stream, ""),
                "records": gap.records,
                "first_ns": gap.first_ns,
                "last_ns": gap.last_ns,
            }
        )
        return
    rows: list[_Row] = []
    last: tuple[str, str] | None = None
    series = 0
    for record in decode(entry.payload, entry.time_ns):
        name, unit = record.name, record.unit
        if last != (name, unit):
            last = (name, unit)
            key = (node, entry.app, full_name(entry.stream, name), unit)
            series = series_id(connection, cache, batch.new_series, key)
        rows.append((series, *record[2:]))
    batch.rows += rows


def _refusal(node: str, epoch: int, entry: Entry, reason: str) -> dict[str, object]:
    return {
        "node": node,
        "epoch": epoch,
        "seq": entry.seq,
        "app": entry.app,
        "stream": entry.stream,
        "time_ns": min(max(entry.time_ns, 0), _TIME_MAX),
        "reason": reason,
        "payload": entry.payload,
    }


def _keep_rejected(
    connection: Connection, node: str, refusals: Sequence[dict[str, object]]
) -> None:
    connection.execute(insert(REJECTED), refusals[-REJECTED_PER_NODE:])
    newest = (
        select(REJECTED.c.id)
        .where(REJECTED.c.node == node)
        .order_by(REJECTED.c.id.desc())
        .limit(1)
        .offset(REJECTED_PER_NODE)
        .scalar_subquery()
    )
    connection.execute(delete(REJECTED).where(REJECTED.c.node == node, REJECTED.c.id <= newest))
