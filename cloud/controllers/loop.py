"""What every controller needs: kinds to watch, a queue of keys, workers that never give up.

Rules: level-triggered, so a key says only "look at this one again"; one key is worked on by one
worker at a time; a failure is logged and the key comes back after a growing delay; losing a watch
means listing again. Only cancellation ends a loop.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from cloud.errors import Conflict, StatusError, StoreClosed
from cloud.kinds.meta import O
from cloud.store.objects import Objects, Query
from cloud.store.watch import Event, EventType

BACKOFF_FIRST = 0.05
BACKOFF_MAX = 30.0
"""Seconds before a failed key is tried again: doubles from the first to the last."""
WORKERS = 2
"""Keys worked on at one time: one waits for the database while the other plans."""
COALESCE = 0.1
"""Seconds a key rests after it was worked on: a thousand nodes that report within one rest cost
one look, not a thousand."""

_log = logging.getLogger("skerry.controllers")


class Key(NamedTuple):
    """Which object to look at."""

    namespace: str
    name: str


Reconcile = Callable[[Key], Awaitable[float | None]]
"""Bring one object closer to what is wanted; returns seconds until it wants another look."""


class WorkQueue:
    """Keys to look at, each at most once. Concurrency: belongs to one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready: dict[Key, None] = {}
        self._active: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()

    def add(self, key: Key) -> None:
        """Look at it as soon as a worker is free, and once more if it is being looked at."""
        if key in self._active:
            self._again.add(key)
            return
        self._ready[key] = None
        self._wake.set()

    def add_after(self, key: Key, delay: float) -> None:
        """Look at it in `delay` seconds; the earliest of several wishes counts."""
        when = self._loop.time() + delay
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= when:
                return
            timer.cancel()
        self._timers[key] = self._loop.call_at(when, self._due, key)

    async def take(self) -> Key:
        """The key that waits longest; give it back with `done`."""
        while not self._ready:
            self._wake.clear()
            await self._wake.wait()
        key = next(iter(self._ready))
        del self._ready[key]
        self._active.add(key)
        return key

    def rest(self, key: Key) -> None:
        """It has been worked on; wishes made meanwhile are kept for `COALESCE` seconds."""
        self._loop.call_later(COALESCE, self._done, key)

    def _done(self, key: Key) -> None:
        self._active.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def close(self) -> None:
        """Forget all timers."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)


async def follow(
    objects: Objects,
    kind: type[O],
    on_event: Callable[[Event[O]], None],
    on_list: Callable[[], None] = lambda: None,
) -> None:
    """Tell of every object and every change, for ever; after a loss `on_list`, then all anew."""
    failures = 0
    while True:
        try:
            await _follow_once(objects, kind, on_event, on_list)
        except StoreClosed:
            return
        except StatusError as error:
            _log.info("watching %s: %s", kind.__name__, error)
        except Exception:  # noqa: BLE001 - a controller that stops watching is worse
            _log.exception("watching %s failed; it is tried again", kind.__name__)
        else:
            return
        failures += 1
        await asyncio.sleep(backoff(failures))


async def work(queue: WorkQueue, reconcile: Reconcile) -> None:
    """Work on keys, for ever."""
    failures: dict[Key, int] = {}
    while True:
        key = await queue.take()
        try:
            again = await reconcile(key)
        except StoreClosed:
            return
        except Exception as error:  # noqa: BLE001 - the next key must still be worked on
            failures[key] = failures.get(key, 0) + 1
            again = backoff(failures[key])
            if isinstance(error, Conflict):
                _log.debug("%s/%s changed meanwhile; again in %.2f s", *key, again)
            else:
                _log.exception("%s/%s failed; again in %.2f s", *key, again)
        else:
            failures.pop(key, None)
        queue.rest(key)
        if again is not None:
            queue.add_after(key, again)


def backoff(failures: int) -> float:
    """Seconds to wait after that many failures in a row."""
    return min(BACKOFF_MAX, BACKOFF_FIRST * 2.0 ** min(failures - 1, 16))


@asynccontextmanager
async def running(*loops: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Run loops until the context ends."""
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow_once(
    objects: Objects,
    kind: type[O],
    on_event: Callable[[Event[O]], None],
    on_list: Callable[[], None],
) -> None:
    """Until the service closes its watches, or the watch is lost."""
    page = await objects.list(kind)
    on_list()
    for item in page.items:
        on_event(Event(EventType.ADDED, item, page.revision))
    watch = await objects.watch(kind, Query(), page.revision)
    try:
        while not watch.closed:
            for event in await watch.take():
                on_event(event)
    finally:
        objects.stop(watch)
