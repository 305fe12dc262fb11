"""When a certificate is to be renewed. Pure: time and chance are arguments.

Rules: a fleet that was flashed on one day does not renew in one minute, so each node draws its
own point of each certificate's life. Time is the one the cloud has proven, never the system's: a
board's clock may be wrong in both directions.
"""

from collections.abc import Callable
from enum import Enum

from msgspec import Struct

EARLIEST = 0.5
LATEST = 0.75
"""Shares of a life between which it is renewed: a quarter remains to mend a cloud that is away."""


class Facts(Struct, frozen=True, kw_only=True):
    """What the agent knows of a certificate without reading it."""

    node: str
    serial: str
    not_before_ns: int
    not_after_ns: int


class Step(Enum):
    """What a certificate needs now."""

    NOTHING = "nothing"
    RENEW = "renew"
    REENROL = "re-enrol"
    """It has ended: only its key can still prove who the node is."""


def draw(uniform: Callable[[float, float], float]) -> float:
    """A share of a life."""
    return uniform(EARLIEST, LATEST)


def renew_at(facts: Facts, share: float) -> int:
    """Nanoseconds since 1970."""
    life = facts.not_after_ns - facts.not_before_ns
    return facts.not_before_ns + int(life * share)


def next_step(facts: Facts, share: float, now_ns: int) -> Step:
    """What to do at a time that has certainly come."""
    if now_ns >= facts.not_after_ns:
        return Step.REENROL
    return Step.RENEW if now_ns >= renew_at(facts, share) else Step.NOTHING
