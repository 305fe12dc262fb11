"""A wake-up that any thread may give and one task of the loop waits for."""

import asyncio
from contextlib import suppress


class Wake:
    """Level-triggered: many `set` calls before a `wait` make it return once.

    Any thread may `set`, at the cost of one flag while a wake-up is already on its way.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event = asyncio.Event()
        self._given = False

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake tasks of this loop; earlier calls of `set` count."""
        self._loop = loop
        if self._given:
            self._event.set()

    def set(self) -> None:
        """Wake the waiter, now or when it next waits; never blocks, never raises."""
        if self._given:
            return
        self._given = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        """Return after the next `set`, at once when there was one since the last return."""
        await self._event.wait()
        # In this order: a `set` from here on schedules another wake-up.
        self._given = False
        self._event.clear()
