"""How fast an app may do something; time is an argument, in seconds."""

BURST_SECONDS = 10.0
"""Seconds' worth that may come at once: a node that waited for its link is not punished."""


class TokenBucket:
    """`rate` units a second, a burst of ten seconds' worth. One thread only."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._burst = max(rate * BURST_SECONDS, 1.0)
        self._level = self._burst
        self._then = now

    def take(self, units: int, now: float) -> bool:
        """Take `units` if they are there; more than a burst may be taken when it is full.

        The level goes below zero then, so the rate holds over time.
        """
        self._level = min(self._burst, self._level + (now - self._then) * self._rate)
        self._then = now
        if self._level < min(units, self._burst):
            return False
        self._level -= units
        return True
