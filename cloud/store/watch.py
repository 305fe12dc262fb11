"""Who hears of changes: each watcher has a bounded queue, filled on the event loop after commits.

Rules: changes arrive in the order of their revisions; a watcher that does not keep up is ended
with Expired and must list again, so that one slow client never holds memory for ever.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic

from cloud.errors import Expired
from cloud.kinds.meta import O

BACKLOG_LIMIT = 1000
"""Changes a watcher may be behind: a few seconds of a busy rollout, about 3 MB of objects."""


class EventType(Enum):
    """What happened, from the view of one watcher's selectors."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Change(Generic[O]):
    """One revision: the object before and after; no `before` is a creation, no `after` a deletion.

    `last` is what the log holds: the object as of this revision, or as it was deleted.
    """

    revision: int
    before: O | None
    after: O | None
    last: O


@dataclass(frozen=True, slots=True)
class Event(Generic[O]):
    """What a watcher is told."""

    type: EventType
    object: O
    revision: int


Filter = Callable[[Any], bool]
History = Callable[[int], Awaitable[list[Change[O]]]]
"""The next changes after a revision, oldest first; empty when there are no more."""


class Watch(Generic[O]):
    """Events from one revision on, without gap or duplicate. Concurrency: one task takes."""

    def __init__(self, since: int, wants: Filter, history: "History[O]") -> None:
        self.revision = since
        """Everything up to here has been taken."""
        self._wants = wants
        self._history: History[O] | None = history
        self._backlog: deque[Change[O]] = deque()
        self._wake = asyncio.Event()
        self._overflowed = False
        self.closed = False

    async def take(self, patience: float | None = None) -> list[Event[O]]:
        """The next events; empty after `patience` seconds, or when closed.

        Raises Expired when this watcher was too slow or its history is compacted.
        """
        while not self.closed:
            self._wake.clear()  # before the look: what is offered during it must not be slept over
            changes = await self._next()
            events = [event for change in changes if (event := self._event(change))]
            if events:
                return events
            if changes or self._history is not None:
                continue
            try:
                async with asyncio.timeout(patience):
                    await self._wake.wait()
            except TimeoutError:
                return []
        return []

    def caught_up(self) -> bool:
        """Whether all that has been offered was taken."""
        return self._history is None and not self._backlog and not self._overflowed

    def offer(self, change: Change[O]) -> None:
        """Queue a live change; past the bound the watcher is ended instead."""
        if self._overflowed or change.revision <= self.revision:
            return
        if len(self._backlog) >= BACKLOG_LIMIT:
            self._backlog.clear()
            self._overflowed = True
        else:
            self._backlog.append(change)
        self._wake.set()

    def close(self) -> None:
        """End it: `take` returns at once."""
        self.closed = True
        self._wake.set()

    async def _next(self) -> list[Change[O]]:
        if self._overflowed:
            raise Expired(f"the watch fell more than {BACKLOG_LIMIT} changes behind; list again")
        if self._history is not None:
            changes = await self._history(self.revision)
            if not changes:
                self._history = None
        else:
            changes = [change for change in self._backlog if change.revision > self.revision]
            self._backlog.clear()
        if changes:
            self.revision = changes[-1].revision
        return changes

    def _event(self, change: Change[O]) -> Event[O] | None:
        was = change.before is not None and self._wants(change.before)
        is_ = change.after is not None and self._wants(change.after)
        if not was and not is_:
            return None
        kind = EventType.MODIFIED if was and is_ else EventType.ADDED if is_ else EventType.DELETED
        return Event(kind, change.last, change.revision)


class Watchers:
    """All watches of a service, by kind. Concurrency: belongs to one event loop."""

    def __init__(self) -> None:
        self._watches: dict[type, set[Watch[Any]]] = {}
        self._closed = False

    def add(self, type_: type, watch: Watch[Any]) -> None:
        """Let it hear of every later change of that kind."""
        self._watches.setdefault(type_, set()).add(watch)
        if self._closed:
            watch.close()

    def remove(self, watch: Watch[Any]) -> None:
        """Let it hear no more."""
        for watches in self._watches.values():
            watches.discard(watch)

    def publish(self, change: Change[Any]) -> None:
        """Tell everybody who watches this kind."""
        for watch in self._watches.get(type(change.last), ()):
            watch.offer(change)

    def close(self) -> None:
        """End all watches, present and future."""
        self._closed = True
        for watches in self._watches.values():
            for watch in watches:
                watch.close()
