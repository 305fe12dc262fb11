"""Questions to the stored log lines, and how they look: one JSON object a line."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Select, func, select

from cloud.telemetry.schema import LOGS
from cloud.telemetry.times import format_time


class Line(NamedTuple):
    """One stored line, or with `dropped` above 0 lines that a node lost."""

    id: int
    node: str
    app: str
    time_ns: int
    level: int
    text: str
    dropped: int


class LineView(Struct, frozen=True, kw_only=True):
    """A line for JSON; an empty `app` is the agent."""

    type: str = "LINE"
    cursor: int
    node: str
    app: str
    time: str
    level: int
    text: str


class DroppedView(Struct, frozen=True, kw_only=True):
    """Lines that the node lost before the next one."""

    type: str = "GAP"
    cursor: int
    node: str
    time: str
    dropped: int


@dataclass(frozen=True)
class WhichLines:
    """Which lines; `app` None means all, empty the agent's own."""

    node: str = ""
    app: str | None = None
    since_ns: int = 0

    def takes(self, line: Line) -> bool:
        """Whether the line is asked for. A node's losses belong to each of its apps."""
        if self.node not in {"", line.node} or line.time_ns < self.since_ns:
            return False
        if line.dropped:
            return bool(self.node) or self.app is None
        return self.app in {None, line.app}


def newest(connection: Connection, which: WhichLines, limit: int) -> tuple[list[Line], int]:
    """The newest lines, oldest first, and the cursor after everything stored so far."""
    query = _base().where(LOGS.c.time_ns >= which.since_ns)
    if which.node:
        query = query.where(LOGS.c.node == which.node)
    parts = [query]
    if which.app is not None:
        parts = [query.where(LOGS.c.app == which.app, LOGS.c.dropped == 0)]
        if which.node:
            parts.append(query.where(LOGS.c.app == "", LOGS.c.dropped > 0))
    found = [
        Line(*row)
        for part in parts
        for row in connection.execute(part.order_by(LOGS.c.id.desc()).limit(limit))
    ]
    cursor = connection.scalar(select(func.max(LOGS.c.id))) or 0
    found.sort()
    return found[max(0, len(found) - limit) :], cursor


def after(
    connection: Connection, which: WhichLines, cursor: int, limit: int
) -> tuple[list[Line], int]:
    """Lines stored after `cursor` among the next `limit` of all, and the new cursor."""
    query = _base().where(LOGS.c.id > cursor).order_by(LOGS.c.id).limit(limit)
    found = [Line(*row) for row in connection.execute(query)]
    return [line for line in found if which.takes(line)], found[-1].id if found else cursor


def render(found: Iterable[Line]) -> bytes:
    """JSON lines."""
    return b"".join(msgspec.json.encode(_view(line)) + b"\n" for line in found)


def _base() -> Select[*tuple[Any, ...]]:
    return select(
        LOGS.c.id,
        LOGS.c.node,
        LOGS.c.app,
        LOGS.c.time_ns,
        LOGS.c.level,
        LOGS.c.text,
        LOGS.c.dropped,
    )


def _view(line: Line) -> LineView | DroppedView:
    time = format_time(line.time_ns)
    if line.dropped:
        return DroppedView(cursor=line.id, node=line.node, time=time, dropped=line.dropped)
    return LineView(
        cursor=line.id,
        node=line.node,
        app=line.app,
        time=time,
        level=line.level,
        text=line.text,
    )
