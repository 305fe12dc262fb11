"""Wakes everyone who waits for something new, without a queue for each."""

import asyncio


class Signal:
    """Take `next()` first, look for news, and wait on it only when there were none."""

    def __init__(self) -> None:
        self.closed = False
        """Nothing new will be told: who waits shall end."""
        self._event = asyncio.Event()

    def next(self) -> asyncio.Event:
        """Set when `notify` or `close` is called after this call."""
        return self._event

    def notify(self) -> None:
        """Wake all who wait now."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    def close(self) -> None:
        """Wake all, for good."""
        self.closed = True
        self.notify()
