"""How often somebody may ask: a token bucket for each key, a bounded number of them. Pure.

Time is an argument, in seconds of any clock that does not go back.
"""

from collections import OrderedDict
from dataclasses import dataclass

BUCKETS_LIMIT = 10_000
"""Keys remembered, about 2 MB; past it the one unused for longest is forgotten, and starts full."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second on average, so many at once."""

    per_second: float
    burst: float


class Limiter:
    """One rate, for each key by itself. Concurrency: one thread."""

    def __init__(self, rate: Rate, buckets: int = BUCKETS_LIMIT) -> None:
        self._rate = rate
        self._limit = buckets
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, now: float) -> float:
        """0.0 when it may pass now, and is counted; else the seconds until it may."""
        level, since = self._buckets.get(key, (self._rate.burst, now))
        level = min(self._rate.burst, level + max(0.0, now - since) * self._rate.per_second)
        wait = 0.0 if level >= 1 else (1 - level) / self._rate.per_second
        self._buckets[key] = (level if wait else level - 1, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._limit:
            self._buckets.popitem(last=False)
        return wait
