"""The beat by which computing guests are interrupted; silent while none computes."""

import threading
from collections.abc import Callable

PERIOD = 0.010
"""Seconds between beats: the grain of CPU accounting, 1 % of the second shares are held over."""


class Ticker:
    """Calls `tick` every PERIOD while somebody computes. Any thread may call."""

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._condition = threading.Condition()
        self._computing = 0
        self._parked = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def enter(self) -> None:
        """One more guest computes."""
        with self._condition:
            self._computing += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)
                self._thread.start()
            elif self._parked:
                self._parked = False
                self._condition.notify_all()

    def leave(self) -> None:
        """One guest less computes."""
        with self._condition:
            self._computing -= 1

    def wait_until_silent(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until no beat comes any more; whether that is so."""
        with self._condition:
            return self._condition.wait_for(lambda: self._parked, timeout)

    def close(self) -> None:
        """End the thread; no guest may run."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with self._condition:
            while not self._closed:
                self._parked = self._computing == 0
                if self._parked:
                    self._condition.notify_all()
                self._condition.wait(None if self._parked else PERIOD)
                self._tick()
