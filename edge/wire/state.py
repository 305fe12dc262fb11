"""States of a session and every step between them, for both roles alike.

A session opens once, closes once, and is then spent; a new connection needs a new session.
"""

from enum import Enum


class State(Enum):
    """Where a session is."""

    OPENING = "opening"
    """Hello or Welcome is still missing."""
    OPEN = "open"
    CLOSING = "closing"
    """Our Close is on its way; the peer's is awaited and anything else ignored."""
    CLOSED = "closed"


class Step(Enum):
    """What moves a session."""

    GREET = "greet"
    """Hello and Welcome have met."""
    LEAVE = "leave"
    """This side asked to end."""
    LEFT = "left"
    """The peer sent Close."""
    FAIL = "fail"
    """A rule was broken, or a deadline passed."""


TABLE: dict[State, dict[Step, State]] = {
    State.OPENING: {
        Step.GREET: State.OPEN,
        Step.LEAVE: State.CLOSING,
        Step.LEFT: State.CLOSED,
        Step.FAIL: State.CLOSED,
    },
    State.OPEN: {
        Step.LEAVE: State.CLOSING,
        Step.LEFT: State.CLOSED,
        Step.FAIL: State.CLOSED,
    },
    State.CLOSING: {
        Step.LEFT: State.CLOSED,
        Step.FAIL: State.CLOSED,
    },
    State.CLOSED: {},
}
