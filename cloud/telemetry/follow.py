"""Live tails as JSON lines, which begin after a cursor and neither miss nor repeat anything.

A cursor is a row's id: ids rise in the order of commits, so what follows one is complete however
often a client begins again from its last.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import msgspec
from msgspec import Struct

from cloud.store.database import Database
from cloud.telemetry import lines as log_lines
from cloud.telemetry import queries
from cloud.telemetry.lines import Line, WhichLines
from cloud.telemetry.queries import Which
from cloud.telemetry.signal import Signal
from cloud.telemetry.views import ReadingView, reading_view

CHUNK = 500
"""Rows read at a time: a slow client holds no more than this many."""
QUIET = 15.0
"""Seconds without a line after which a bookmark is sent; also finds dead connections."""


class ReadingLine(Struct, frozen=True, kw_only=True):
    """A reading as it arrives."""

    type: str = "READING"
    cursor: int
    object: ReadingView


class Bookmark(Struct, frozen=True, kw_only=True):
    """Everything up to here has been sent."""

    type: str = "BOOKMARK"
    cursor: int


async def readings(
    database: Database, changed: Signal, which: Which, cursor: int
) -> AsyncIterator[bytes]:
    """Readings stored after `cursor`, for ever; a bookmark first and whenever it is quiet."""
    yield _bookmark(cursor)
    while not changed.closed:
        news = changed.next()
        start = cursor
        found, cursor = await database.read(
            partial(queries.tail, which=which, cursor=start, limit=CHUNK)
        )
        if found:
            yield b"".join(
                msgspec.json.encode(ReadingLine(cursor=each.id, object=reading_view(each))) + b"\n"
                for each in found
            )
        if cursor == start and not await _wait(news):
            yield _bookmark(cursor)


async def lines(
    database: Database, changed: Signal, which: WhichLines, found: list[Line], cursor: int
) -> AsyncIterator[bytes]:
    """`found`, then the lines stored after `cursor`, for ever."""
    yield log_lines.render(found) or _bookmark(cursor)
    while not changed.closed:
        news = changed.next()
        start = cursor
        found, cursor = await database.read(
            partial(log_lines.after, which=which, cursor=start, limit=CHUNK)
        )
        if found:
            yield log_lines.render(found)
        if cursor == start and not await _wait(news):
            yield _bookmark(cursor)


def _bookmark(cursor: int) -> bytes:
    return msgspec.json.encode(Bookmark(cursor=cursor)) + b"\n"


async def _wait(news: asyncio.Event) -> bool:
    """Whether there was news before it was quiet for too long."""
    try:
        async with asyncio.timeout(QUIET):
            await news.wait()
    except TimeoutError:
        return False
    return True
