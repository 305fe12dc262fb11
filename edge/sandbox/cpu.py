"""How much processor an app has used, and when it must pause or end. Time is an argument.

Two bounds: `budget` seconds between two waits (past it the app ends), and `share` of one core
over a second (past it the app pauses).
"""

WINDOW = 1.0
"""Seconds over which a share is held: a burst may use a second's worth at once."""


class CpuMeter:
    """Of one run; `cpu` is the CPU time of its thread, in seconds. That thread only."""

    def __init__(self, share: float, budget: float, now: float, cpu: float) -> None:
        self._share = share
        self._budget = budget
        self._level = share * WINDOW
        self._then = now
        self._started = self._last = self._refilled = cpu

    @property
    def used(self) -> float:
        """CPU seconds since the start, as of the last charge."""
        return self._last - self._started

    @property
    def over_budget(self) -> bool:
        """Whether more than the budget went by since the last refill."""
        return self._last - self._refilled > self._budget

    def refill(self, cpu: float) -> None:
        """The app came back to wait."""
        self._refilled = cpu

    def charge(self, cpu: float, now: float) -> float:
        """Take note of the time used; seconds the app must pause to keep to its share."""
        earned = (now - self._then) * self._share
        self._level = min(self._share * WINDOW, self._level + earned) - (cpu - self._last)
        self._then = now
        self._last = cpu
        return max(0.0, -self._level / self._share)
