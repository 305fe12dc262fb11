"""Questions to the stored readings, as pure functions on a connection.

Readings of several series are merged lazily, each series read through its index in growing
chunks: an answer costs about what it shows, however much is stored.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select, tuple_

from cloud.errors import BadRequest
from cloud.telemetry.schema import GAPS, READINGS, SERIES

SERIES_LIMIT = 10_000
"""Series one question may touch; each costs a look into the index, 0.2 ms at worst."""
GAPS_LIMIT = 1000
"""Gaps in one answer, the newest."""
TIME_END = (1 << 63) - 1
_FIRST_CHUNK = 4
_CHUNK_GROWTH = 4


class Series(NamedTuple):
    """One series."""

    id: int
    node: str
    app: str
    name: str
    unit: str


class Reading(NamedTuple):
    """One stored reading; one of the four values, or `total`, is set."""

    id: int
    series: Series
    time_ns: int
    number: float | None
    text: str | None
    flag: bool | None
    data: bytes | None
    total: float | None
    update_s: float | None


class Bucket(NamedTuple):
    """Numbers of one series within one interval that begins at `time_ns`."""

    series: Series
    time_ns: int
    samples: int
    average: float
    minimum: float
    maximum: float


class GapRow(NamedTuple):
    """Readings a node had to drop, between two times."""

    node: str
    app: str
    stream: str
    records: int
    first_ns: int
    last_ns: int


class Position(NamedTuple):
    """Where an answer ended: time and id of its last reading."""

    time_ns: int
    id: int


@dataclass(frozen=True)
class Which:
    """Which series; empty means all. A `name` that ends in `*` is a prefix."""

    nodes: tuple[str, ...] = ()
    app: str = ""
    name: str = ""

    def takes(self, of: Series) -> bool:
        """Whether the series is among them."""
        stem = self.name.removesuffix("*")
        return (
            (not self.nodes or of.node in self.nodes)
            and self.app in {"", of.app}
            and (self.name in {"", of.name} or (stem != self.name and of.name.startswith(stem)))
        )


@dataclass(frozen=True)
class Span:
    """Times from `start` on and before `end`, in ns."""

    start: int = 0
    end: int = TIME_END


def series(connection: Connection, which: Which) -> list[Series]:
    """The series in order of node, app, name; BadRequest when they are too many."""
    query = select(SERIES.c.id, SERIES.c.node, SERIES.c.app, SERIES.c.name, SERIES.c.unit)
    query = _matching(query, which).order_by(
        SERIES.c.node, SERIES.c.app, SERIES.c.name, SERIES.c.unit
    )
    found = [Series(*row) for row in connection.execute(query.limit(SERIES_LIMIT + 1))]
    if len(found) > SERIES_LIMIT:
        raise BadRequest(f"node: more than {SERIES_LIMIT} series match; name nodes, app or name")
    return found


def readings(
    connection: Connection,
    which: Which,
    span: Span,
    limit: int,
    *,
    newest_first: bool,
    after: Position | None = None,
) -> list[Reading]:
    """Up to `limit` readings in order of time, those that follow `after`."""
    found = series(connection, which)
    chunk = max(_FIRST_CHUNK, limit // max(1, len(found)) + 1)
    streams = [
        _one_series(connection, each, span, chunk, newest_first=newest_first, after=after)
        for each in found
    ]
    merged = heapq.merge(*streams, key=_position, reverse=newest_first)
    return [reading for reading, _ in zip(merged, range(limit), strict=False)]


def latest(connection: Connection, which: Which) -> list[Reading]:
    """The newest reading of each series, in order of node, app, name."""
    found: list[Reading] = []
    for each in series(connection, which):
        found += _chunk(connection, each, Span(), 1, newest_first=True, after=None)
    return found


def buckets(
    connection: Connection, which: Which, span: Span, interval_ns: int, limit: int
) -> list[Bucket]:
    """Numbers per series and interval, oldest first; BadRequest for more than `limit`."""
    found: list[Bucket] = []
    start = READINGS.c.time_ns - READINGS.c.time_ns % interval_ns
    value = READINGS.c.number
    for each in series(connection, which):
        query = (
            select(
                start.label("start"),
                func.count(value),
                func.avg(value),
                func.min(value),
                func.max(value),
            )
            .where(
                READINGS.c.series_id == each.id,
                READINGS.c.time_ns >= span.start,
                READINGS.c.time_ns < span.end,
                value.is_not(None),
            )
            .group_by("start")
            .order_by("start")
            .limit(limit - len(found) + 1)
        )
        found += [Bucket(each, *row) for row in connection.execute(query)]
        if len(found) > limit:
            raise BadRequest(f"interval: more than {limit} intervals; ask for longer ones")
    return found


def newest_id(connection: Connection) -> int:
    """The cursor after everything stored so far."""
    return connection.scalar(select(func.max(READINGS.c.id))) or 0


def tail(
    connection: Connection, which: Which, cursor: int, limit: int
) -> tuple[list[Reading], int]:
    """Readings stored after `cursor` among the next `limit` of all, and the new cursor."""
    query = (
        select(*_COLUMNS, SERIES.c.node, SERIES.c.app, SERIES.c.name, SERIES.c.unit)
        .join(SERIES, SERIES.c.id == READINGS.c.series_id)
        .where(READINGS.c.id > cursor)
        .order_by(READINGS.c.id)
        .limit(limit)
    )
    found: list[Reading] = []
    for row in connection.execute(query):
        cursor = row.id
        of = Series(row.series_id, row.node, row.app, row.name, row.unit)
        if which.takes(of):
            found.append(_reading(of, row))
    return found, cursor


def gaps(connection: Connection, which: Which, span: Span) -> list[GapRow]:
    """Gaps that overlap the span, the newest first."""
    query = select(
        GAPS.c.node, GAPS.c.app, GAPS.c.stream, GAPS.c.records, GAPS.c.first_ns, GAPS.c.last_ns
    ).where(GAPS.c.last_ns >= span.start, GAPS.c.first_ns < span.end)
    if which.nodes:
        query = query.where(GAPS.c.node.in_(which.nodes))
    if which.app:
        query = query.where(GAPS.c.app == which.app)
    if which.name.endswith("*"):
        query = query.where(_begins(GAPS.c.stream, which.name[:-1]))
    elif which.name:
        # A gap knows the stream only; the name asked for may be one below it.
        stems = [which.name[:end] for end, c in enumerate(which.name) if c == "/"]
        query = query.where(GAPS.c.stream.in_([which.name, *stems]))
    query = query.order_by(GAPS.c.id.desc()).limit(GAPS_LIMIT)
    return [GapRow(*row) for row in connection.execute(query)]


_COLUMNS = (
    READINGS.c.id,
    READINGS.c.series_id,
    READINGS.c.time_ns,
    READINGS.c.number,
    READINGS.c.text,
    READINGS.c.flag,
    READINGS.c.data,
    READINGS.c.total,
    READINGS.c.update_s,
)


def _matching(query: Select[*tuple[Any, ...]], which: Which) -> Select[*tuple[Any, ...]]:
    if which.nodes:
        query = query.where(SERIES.c.node.in_(which.nodes))
    if which.app:
        query = query.where(SERIES.c.app == which.app)
    if which.name.endswith("*"):
        query = query.where(_begins(SERIES.c.name, which.name[:-1]))
    elif which.name:
        query = query.where(SERIES.c.name == which.name)
    return query


def _begins(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """LIKE would not tell upper from lower case on SQLite."""
    return func.substr(column, 1, len(prefix)) == prefix


def _one_series(
    connection: Connection,
    of: Series,
    span: Span,
    size: int,
    *,
    newest_first: bool,
    after: Position | None,
) -> Iterator[Reading]:
    while True:
        found = _chunk(connection, of, span, size, newest_first=newest_first, after=after)
        yield from found
        if len(found) < size:
            return
        after = _position(found[-1])
        size *= _CHUNK_GROWTH


def _chunk(
    connection: Connection,
    of: Series,
    span: Span,
    size: int,
    *,
    newest_first: bool,
    after: Position | None,
) -> Sequence[Reading]:
    query = select(*_COLUMNS).where(
        READINGS.c.series_id == of.id,
        READINGS.c.time_ns >= span.start,
        READINGS.c.time_ns < span.end,
    )
    place = tuple_(READINGS.c.time_ns, READINGS.c.id)
    # Of each pair of conditions the first is the one that the index can use.
    if newest_first:
        query = query.order_by(READINGS.c.time_ns.desc(), READINGS.c.id.desc())
        if after is not None:
            query = query.where(READINGS.c.time_ns <= after.time_ns, place < tuple_(*after))
    else:
        query = query.order_by(READINGS.c.time_ns, READINGS.c.id)
        if after is not None:
            query = query.where(READINGS.c.time_ns >= after.time_ns, place > tuple_(*after))
    return [_reading(of, row) for row in connection.execute(query.limit(size))]


def _reading(of: Series, row: Row[*tuple[Any, ...]]) -> Reading:
    return Reading(
        row.id,
        of,
        row.time_ns,
        row.number,
        row.text,
        row.flag,
        row.data,
        row.total,
        row.update_s,
    )


def _position(reading: Reading) -> Position:
    return Position(reading.time_ns, reading.id)
