"""When to try again: exponential backoff with full jitter.

A cloud that comes back is met by its whole fleet. Fixed delays would bring every node at the same
instant, again and again (a thundering herd); so the delay itself is drawn at random between zero
and a bound that doubles, which spreads a fleet evenly over that bound.
"""

from collections.abc import Callable

BASE = 1.0
"""Seconds of the first bound: a router that restarts one connection needs no longer."""
CAP = 300.0
"""Seconds of the last bound: a node is back five minutes after the cloud at the latest."""


class Backoff:
    """Delays in seconds. `uniform(low, high)` is the source of randomness. One owner."""

    def __init__(
        self, uniform: Callable[[float, float], float], base: float = BASE, cap: float = CAP
    ) -> None:
        self._uniform = uniform
        self._base = base
        self._cap = cap
        self._bound = base

    def next(self) -> float:
        """Seconds to wait before the next attempt; the bound doubles each time."""
        bound = self._bound
        self._bound = min(self._cap, bound * 2)
        return self._uniform(0.0, bound)

    def slowest(self) -> float:
        """Seconds to wait when trying again soon cannot help: drawn from the last bound."""
        self._bound = self._cap
        return self.next()

    def reset(self) -> None:
        """An attempt succeeded: start again from the first bound."""
        self._bound = self._base
