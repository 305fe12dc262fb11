"""What tasks of asyncio can wait for, besides what asyncio itself has."""

import asyncio
from asyncio import core
from time import ticks_add, ticks_diff, ticks_ms


class edges:  # noqa: N801
    """Edges of a line from now on, for `async for level, ms in edges(pin)`."""

    def __init__(self, pin):
        while pin.edge():
            pass
        self._pin = pin

    def __aiter__(self):
        return self

    # async
    def __anext__(self):
        while not (edge := self._pin.edge()):
            yield core._io_queue.queue_read(self._pin)
        return edge


class every:  # noqa: N801
    """Moments a fixed time apart, for `async for _ in every(5)`; the first is now."""

    def __init__(self, seconds):
        self._step = max(1, round(seconds * 1000))
        self._next = ticks_ms()

    def __aiter__(self):
        return self

    async def __anext__(self):
        left = ticks_diff(self._next, ticks_ms())
        if left < -self._step:
            # Too late for one or more: from here on again.
            self._next = ticks_ms()
        await asyncio.sleep_ms(max(0, left))
        self._next = ticks_add(self._next, self._step)


def stopping():
    """Await it to be told that the node stops the app; without, the main task is cancelled."""
    if asyncio.stopping is None:
        asyncio.stopping = asyncio.Event()
    return asyncio.stopping.wait()
