"""What hollow nodes have seen together: counts, and latencies in bounded memory."""

import random
from collections import Counter
from collections.abc import Sequence

SAMPLES = 10_000
"""Latencies kept, drawn evenly from all: enough for a p99, whatever the run's length."""
REASONS = 12
"""Different reasons of failure counted apart."""


class Reservoir:
    """An even sample of a stream of numbers of unknown length."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._kept: list[float] = []
        self.seen = 0

    def add(self, value: float) -> None:
        """Take a number; early and late ones are equally likely to be kept."""
        self.seen += 1
        if len(self._kept) < SAMPLES:
            self._kept.append(value)
        elif (place := self._dice.randrange(self.seen)) < SAMPLES:
            self._kept[place] = value

    def percentile(self, share: float) -> float | None:
        """The number that `share` of those kept do not exceed; None without any."""
        ranked = sorted(self._kept)
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else None


class Tally:
    """What all nodes of a run have seen together."""

    def __init__(self, dice: random.Random) -> None:
        self.connects = 0
        self.reconnects = 0
        self.cuts = 0
        self.failures: Counter[str] = Counter()
        """Ends of connections by reason; the deliberate cuts are among them."""
        self.made = 0
        """Records."""
        self.refused = 0
        """Records a full outbox did not take."""
        self.acked = 0
        self.steps = 0
        self.latency = Reservoir(dice)
        """Seconds from a pack's making to its acknowledgement."""
        self.convergence = Reservoir(dice)
        """Seconds from an opened session to its first step of the desired set."""

    def opened(self, *, again: bool) -> None:
        """Count an opened session."""
        self.connects += not again
        self.reconnects += again

    def failed(self, reason: str) -> None:
        """Count an end by its reason; of too many different ones the rest is `other`."""
        room = reason in self.failures or len(self.failures) < REASONS
        self.failures[reason if room else "other"] += 1

    def acknowledged(self, records: int, made: Sequence[float], now: float) -> None:
        """Count records whose packs were made at those times."""
        self.acked += records
        for then in made:
            self.latency.add(now - then)
