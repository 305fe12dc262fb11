"""Series: which node, app, name and unit a reading belongs to, once in a table and by number.

A series stays when its readings are gone; a node has at most SERIES_PER_NODE.
"""

import re
from collections.abc import Mapping

from sqlalchemy import Connection, func, insert, select

from cloud.telemetry.errors import EntryError
from cloud.telemetry.schema import SERIES
from edge.wire.manifest import STREAM

SERIES_PER_NODE = 10_000
"""Names a node may invent: a bound against an app that puts a counter into its names."""
CACHE_LIMIT = 200_000
"""Series remembered in memory, about 40 MB at most; then it starts anew."""

Key = tuple[str, str, str, str]
"""Node, app, name, unit."""

_STREAM = re.compile(STREAM)


class SeriesCache:
    """Ids of committed series. `add` only after the commit that made them.

    Concurrency: read in the writer's thread, added to on the event loop; each is one dict
    operation.
    """

    def __init__(self) -> None:
        self._ids: dict[Key, int] = {}

    def get(self, key: Key) -> int | None:
        """The id, when it is remembered."""
        return self._ids.get(key)

    def add(self, series: Mapping[Key, int]) -> None:
        """Remember committed series."""
        if len(self._ids) + len(series) > CACHE_LIMIT:
            self._ids = {}
        self._ids.update(series)


def full_name(stream: str, name: str) -> str:
    """`stream`, or `stream/name`; EntryError when the stream is no SenML name."""
    if not _STREAM.fullmatch(stream):
        raise EntryError("stream: at most 64 of A-Z a-z 0-9 - : . / _, the first no punctuation")
    return f"{stream}/{name}" if name else stream


def series_id(connection: Connection, cache: SeriesCache, new: dict[Key, int], key: Key) -> int:
    """The id of a series, made when it is missing; what the cache lacked is put into `new`."""
    found = cache.get(key) or new.get(key)
    if found is None:
        found = new[key] = _find(connection, key) or _create(connection, key)
    return found


def _find(connection: Connection, key: Key) -> int | None:
    node, app, name, unit = key
    return connection.scalar(
        select(SERIES.c.id).where(
            SERIES.c.node == node,
            SERIES.c.app == app,
            SERIES.c.name == name,
            SERIES.c.unit == unit,
        )
    )


def _create(connection: Connection, key: Key) -> int:
    node, app, name, unit = key
    count = select(func.count()).select_from(SERIES).where(SERIES.c.node == node)
    if (connection.scalar(count) or 0) >= SERIES_PER_NODE:
        raise EntryError(f"{name}: the node has {SERIES_PER_NODE} series; reuse their names")
    result = connection.execute(
        insert(SERIES).values(node=node, app=app, name=name, unit=unit).returning(SERIES.c.id)
    )
    return int(result.scalar_one())
