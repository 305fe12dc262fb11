"""The time since the start, which MicroPython counts in ticks that wrap around."""

import time


class Clock:
    """Milliseconds since the start that never step: `ticks_ms` begins anew after 12 days."""

    def __init__(self):
        self._last = time.ticks_ms()
        self._total = 0
        self._last_us = time.ticks_us()
        self._micros = 0

    def now(self):
        """Milliseconds."""
        ticks = time.ticks_ms()
        self._total += time.ticks_diff(ticks, self._last)
        self._last = ticks
        return self._total

    def micros(self):
        """Microseconds; to be called at least every eight minutes."""
        ticks = time.ticks_us()
        self._micros += time.ticks_diff(ticks, self._last_us)
        self._last_us = ticks
        return self._micros

    def ticks_us(self):
        """As MicroPython's: wraps around, allocates nothing."""
        return time.ticks_us()

    def ticks_diff(self, later, earlier):
        """Microseconds between two of them."""
        return time.ticks_diff(later, earlier)
