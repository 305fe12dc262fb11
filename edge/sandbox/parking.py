"""Everywhere a guest can be held, each cancellable from any thread through one eventfd.

- `rest`: in `wait`. Only a stop can end the guest here.
- `pause`: slowed down to its share. Likewise.
- `block`: in any other call that takes time: a sleep, a serial write, a bus transaction, a disk.
  The seconds spent in these since the last wait are counted; past `watchdog` the guest is Hung.

A guest that computes is in none of them: that is `cpu`'s business. So between two waits an app
lives at most cpu_budget/cpu_share + watchdog seconds, plus what it waits for a free core.
"""

import contextlib
import math
import os
import select
from collections.abc import Generator, Iterator

from edge.sandbox.errors import GuestEndError
from edge.sandbox.exits import Exit, ExitKind
from edge.sandbox.ticker import Ticker
from hal import clock

SLICE = 0.1
"""Seconds a blocking call outside our control may take before a stop is looked for."""

_FOREVER = float("inf")
_DAY = 86400.0
"""Longest single poll: its argument is a 32-bit number of milliseconds."""


class Parking:
    """Of one run. `stop` and `wake` may be called from any thread, the rest from the guest's."""

    def __init__(self, ticker: Ticker, watchdog: float) -> None:
        self._ticker = ticker
        self._watchdog = watchdog
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._alone = select.poll()
        self._alone.register(self._wake, select.POLLIN)
        self.sources = select.poll()
        """What `rest` listens to besides; descriptors are registered by those who own them."""
        self.sources.register(self._wake, select.POLLIN)
        self.stop_at: float | None = None
        self.blocked = 0.0
        """Seconds spent in `block` since the last wait."""

    def close(self) -> None:
        """Free the eventfd; the guest has ended and nobody may wake it any more."""
        os.close(self._wake)

    # --- from any thread ------------------------------------------------------------------------

    def stop(self, at: float) -> None:
        """End the guest at this monotonic time wherever it is then held."""
        self.stop_at = at
        self.wake()

    def wake(self) -> None:
        """Make the guest look around."""
        os.eventfd_write(self._wake, 1)

    # --- from the guest's thread ----------------------------------------------------------------

    def check_stop(self, now: float) -> None:
        """End the guest if its time to stop has passed."""
        if self.stop_at is not None and now >= self.stop_at:
            raise GuestEndError(
                Exit(ExitKind.STOPPED, message="interrupted: its time to stop was over")
            )

    def look(self) -> list[tuple[int, int]]:
        """Descriptors of `sources` that have something now; never holds."""
        return self._poll(self.sources, 0)

    def rest(self, until: float) -> list[tuple[int, int]]:
        """Hold until a source has something, `wake` or that time; the sources that have."""
        with self._away():
            now = clock.monotonic()
            self.check_stop(now)
            return self._poll(self.sources, min(until, self._stop_time()) - now)

    def pause(self, seconds: float) -> None:
        """Hold for that long."""
        with self._away():
            self._hold(clock.monotonic() + seconds)

    def sleep(self, seconds: float) -> None:
        """Hold for that long in a call of the guest's."""
        with self.block():
            start = clock.monotonic()
            limit = start + self._watchdog - self.blocked
            self._hold(min(start + seconds, limit))

    @contextlib.contextmanager
    def block(self) -> Generator[None]:
        """The body may take time; before or after it the guest may be Hung or stopped."""
        self._check_watchdog()
        with self._away():
            start = clock.monotonic()
            try:
                yield
            finally:
                now = clock.monotonic()
                self.blocked += now - start
        self.check_stop(now)
        self._check_watchdog()

    def slices(self, timeout: float) -> Iterator[float]:
        """Seconds to hand to a blocking call, again and again until `timeout` has passed."""
        end = clock.monotonic() + timeout
        left = timeout
        while left > 0:
            yield min(left, SLICE)
            left = end - clock.monotonic()

    def _hold(self, until: float) -> None:
        while (now := clock.monotonic()) < until:
            self.check_stop(now)
            self._poll(self._alone, min(until, self._stop_time()) - now)

    def _check_watchdog(self) -> None:
        if self.blocked >= self._watchdog:
            raise GuestEndError(
                Exit(
                    ExitKind.HUNG,
                    message=f"blocked for {self.blocked:.1f} s without a return to wait; "
                    f"the watchdog allows {self._watchdog:g} s",
                )
            )

    def _stop_time(self) -> float:
        return _FOREVER if self.stop_at is None else self.stop_at

    def _poll(self, poller: select.poll, seconds: float) -> list[tuple[int, int]]:
        # poll counts whole milliseconds: round up, or the last one would be spent spinning.
        timeout = None if seconds == _FOREVER else max(0, math.ceil(min(seconds, _DAY) * 1000))
        found = poller.poll(timeout)
        if any(descriptor == self._wake for descriptor, _ in found):
            os.eventfd_read(self._wake)
        return [entry for entry in found if entry[0] != self._wake]

    @contextlib.contextmanager
    def _away(self) -> Generator[None]:
        self._ticker.leave()
        try:
            yield
        finally:
            self._ticker.enter()
