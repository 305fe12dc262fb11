"""Forgets old readings: those past an age, and of each series all but the newest so many.

Rules: works in small writes, so that nobody waits for it; what to remove is found in reads.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, tuple_

from cloud.store.database import Database
from cloud.telemetry.schema import GAPS, READINGS, SERIES

CHUNK = 5000
"""Rows removed in one write: about 20 ms."""
DAY_NS = 24 * 3600 * 10**9


@dataclass(frozen=True)
class Retention:
    """How much is kept; the defaults hold a month, or two weeks of one reading a second."""

    age_ns: int = 30 * DAY_NS
    rows_per_series: int = 1_200_000


async def sweep(database: Database, retention: Retention, now_ns: int) -> int:
    """Remove what is past its bounds; how many readings."""
    before_ns = max(0, now_ns - retention.age_ns)
    await database.write(
        lambda connection: connection.execute(delete(GAPS).where(GAPS.c.last_ns < before_ns))
    )
    removed = 0
    for series in await database.read(_ids):
        removed += await _sweep_series(database, series, retention, before_ns)
    return removed


async def _sweep_series(
    database: Database, series: int, retention: Retention, before_ns: int
) -> int:
    last = await database.read(
        lambda connection: _last_to_go(connection, series, retention.rows_per_series, before_ns)
    )
    if last is None:
        return 0
    removed = 0
    while count := await database.write(lambda connection: _remove(connection, series, last)):
        removed += count
    return removed


def _ids(connection: Connection) -> list[int]:
    return list(connection.scalars(select(SERIES.c.id)))


def _last_to_go(
    connection: Connection, series: int, rows: int, before_ns: int
) -> tuple[int, int] | None:
    """Time and id of the newest reading that is past a bound."""
    query = (
        select(READINGS.c.time_ns, READINGS.c.id)
        .where(READINGS.c.series_id == series)
        .order_by(READINGS.c.time_ns.desc(), READINGS.c.id.desc())
    )
    too_old = connection.execute(query.where(READINGS.c.time_ns < before_ns).limit(1)).first()
    too_many = connection.execute(query.limit(1).offset(rows)).first()
    found = [(row.time_ns, row.id) for row in (too_old, too_many) if row is not None]
    return max(found, default=None)


def _remove(connection: Connection, series: int, last: tuple[int, int]) -> int:
    oldest = (
        select(READINGS.c.id)
        .where(
            READINGS.c.series_id == series,
            READINGS.c.time_ns <= last[0],
            tuple_(READINGS.c.time_ns, READINGS.c.id) <= tuple_(*last),
        )
        .order_by(READINGS.c.time_ns)
        .limit(CHUNK)
    )
    return connection.execute(delete(READINGS).where(READINGS.c.id.in_(oldest))).rowcount
