"""A watch as JSON lines: state, history, live events, bookmarks, and a Status when it must end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from cloud.api.http import to_status
from cloud.errors import StatusError
from cloud.kinds.meta import O
from cloud.kinds.scheme import Kind
from cloud.store.objects import Objects, Query
from cloud.store.watch import Watch

TIMEOUT_LIMIT = 3600
"""Seconds after which a watch ends and the client begins another, as with Kubernetes."""
BOOKMARK_INTERVAL = 30.0
"""Seconds of quiet after which a watch says how far it has come; also finds dead connections."""


async def stream(  # noqa: PLR0913 - the parameters of the request
    objects: Objects,
    kind: Kind[O],
    query: Query,
    *,
    since: int | None,
    seconds: int | None,
    bookmarks: bool,
    show: Callable[[O], Any],
    bookmark: Callable[[int], Any],
) -> AsyncIterator[bytes]:
    """Lines from revision `since`, or from the present state when it is None."""
    try:
        if since is None:
            page = await objects.list(kind.type, query)
            since = page.revision
            if page.items:
                yield b"".join(_line("ADDED", show(item)) for item in page.items)
        watch = await objects.watch(kind.type, query, since)
    except StatusError as error:
        yield _line("ERROR", to_status(error))
        return
    try:
        async for chunk in _follow(objects, watch, seconds, show, bookmark if bookmarks else None):
            yield chunk
    except StatusError as error:
        yield _line("ERROR", to_status(error))
    finally:
        objects.stop(watch)


async def _follow(
    objects: Objects,
    watch: Watch[O],
    seconds: int | None,
    show: Callable[[O], Any],
    bookmark: Callable[[int], Any] | None,
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    end = loop.time() + min(TIMEOUT_LIMIT if seconds is None else seconds, TIMEOUT_LIMIT)
    marked = watch.revision
    while not watch.closed and (left := end - loop.time()) > 0:
        events = await watch.take(min(left, BOOKMARK_INTERVAL))
        if events:
            yield b"".join(_line(event.type.value, show(event.object)) for event in events)
        # Nothing is awaited between the two reads: up to `head` all was offered and taken.
        reached = objects.head if watch.caught_up() else watch.revision
        if bookmark is not None and not events and reached > marked:
            marked = reached
            yield msgspec.json.encode(bookmark(reached)) + b"\n"


def _line(event: str, obj: Any) -> bytes:
    return msgspec.json.encode({"type": event, "object": obj}) + b"\n"
