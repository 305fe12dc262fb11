"""Log lines: bounded, newest kept, each stored once.

Rules: a line is known by node, boot and seq; lines at or below the mark of their boot were stored
before and are skipped. What a node lost before sending is a row of its own, with `dropped` above
0, shown with every app of the node because the node cannot say whose lines they were.
"""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, LargeBinary, cast, delete, func, insert, or_, select
from sqlalchemy.dialects.sqlite import insert as upsert

from cloud.metrics import Metrics
from cloud.store.database import Database
from cloud.telemetry.schema import LOG_MARKS, LOGS
from cloud.telemetry.signal import Signal
from edge.wire.messages import LogLine

LINES_PER_APP = 10_000
"""Lines kept of one app on one node: a day at one line in nine seconds, about 1 MB."""
BYTES_PER_APP = 4 << 20
"""Bytes of text kept of one app on one node: 10,000 lines of 400 bytes."""
TRIM_EVERY = 500
"""Lines after which an app is trimmed: it may be over its bounds by this many. A long line counts
as one more for each LONG bytes."""
LONG = 256
"""Bytes; at most 128 KB can come between two trims."""
BOOTS_PER_NODE = 8
"""Boots whose mark is remembered: only the last can still send, unless two boards share a name."""

_TIME_MAX = (1 << 63) - 1
_LEVELS = range(8)


class LogStore:
    """Stores lines; `changed` is notified after each commit."""

    def __init__(
        self,
        database: Database,
        metrics: Metrics,
        *,
        lines_per_app: int = LINES_PER_APP,
        bytes_per_app: int = BYTES_PER_APP,
    ) -> None:
        self._database = database
        self._lines_kept = lines_per_app
        self._bytes_kept = bytes_per_app
        self._untrimmed: defaultdict[tuple[str, str], int] = defaultdict(int)
        """Lines since an app was last trimmed; touched by the writer's thread only."""
        self.changed = Signal()
        self._lines = metrics.counter("skerry_log_lines_total", "Log lines stored.")

    async def ingest(
        self, node: str, boot: str, lines: Sequence[LogLine], dropped: int = 0
    ) -> None:
        """Store lines with rising `seq`; returns once they are on disk."""
        await self._database.write(
            lambda connection: self._ingest(connection, node, boot, lines, dropped),
            self._committed,
        )

    def _committed(self, count: int) -> None:
        self._lines.add(count)
        self.changed.notify()

    def _ingest(
        self, connection: Connection, node: str, boot: str, lines: Sequence[LogLine], dropped: int
    ) -> int:
        where = (LOG_MARKS.c.node == node, LOG_MARKS.c.boot == boot)
        mark = connection.scalar(select(LOG_MARKS.c.seq).where(*where))
        fresh = [line for line in lines if mark is None or line.seq > mark]
        if not fresh:
            return 0
        rows = [_row(node, boot, line) for line in fresh]
        if dropped and fresh[0] is lines[0]:
            gap = {**rows[0], "app": "", "level": 4, "text": "", "dropped": dropped}
            rows.insert(0, gap)
        connection.execute(insert(LOGS), rows)
        self._advance(connection, node, boot, fresh[-1].seq, new=mark is None)
        for app in {str(row["app"]) for row in rows}:
            self._untrimmed[node, app] += sum(
                1 + len(str(row["text"]).encode()) // LONG for row in rows if row["app"] == app
            )
            if self._untrimmed[node, app] >= TRIM_EVERY:
                del self._untrimmed[node, app]
                _trim(connection, node, app, self._lines_kept, self._bytes_kept)
        return len(fresh)

    def _advance(
        self, connection: Connection, node: str, boot: str, seq: int, *, new: bool
    ) -> None:
        statement = upsert(LOG_MARKS).values(node=node, boot=boot, seq=seq)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[LOG_MARKS.c.node, LOG_MARKS.c.boot], set_={"seq": seq}
            )
        )
        if new:
            oldest = (
                select(LOG_MARKS.c.id)
                .where(LOG_MARKS.c.node == node)
                .order_by(LOG_MARKS.c.id.desc())
                .limit(1)
                .offset(BOOTS_PER_NODE)
                .scalar_subquery()
            )
            connection.execute(
                delete(LOG_MARKS).where(LOG_MARKS.c.node == node, LOG_MARKS.c.id <= oldest)
            )


def _row(node: str, boot: str, line: LogLine) -> dict[str, object]:
    return {
        "node": node,
        "app": line.app,
        "boot": boot,
        "seq": line.seq,
        "level": min(max(line.level, _LEVELS[0]), _LEVELS[-1]),
        "time_ns": min(max(line.time_ns, 0), _TIME_MAX),
        "text": line.text,
        "dropped": 0,
    }


def _trim(connection: Connection, node: str, app: str, lines: int, size: int) -> None:
    """Forget the oldest lines past either bound."""
    newest = LOGS.c.id.desc()
    kept = (
        select(
            LOGS.c.id,
            func.row_number().over(order_by=newest).label("lines"),
            func.sum(func.length(cast(LOGS.c.text, LargeBinary)))
            .over(order_by=newest)
            .label("size"),
        )
        .where(LOGS.c.node == node, LOGS.c.app == app)
        .subquery()
    )
    last = (
        select(func.max(kept.c.id))
        .where(or_(kept.c.lines > lines, kept.c.size > size))
        .scalar_subquery()
    )
    connection.execute(
        delete(LOGS).where(LOGS.c.node == node, LOGS.c.app == app, LOGS.c.id <= last)
    )
