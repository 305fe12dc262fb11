"""Which state of an update follows which. Nothing else may; `follow` raises KeyError for it.

A verdict (RolledBack, Refused, Failed) is left only when the spec changes or when another
microcontroller takes the place of the one that was tried: a failed version is not tried for ever.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from edge.wire.firmware import FirmwareState as State


class Event(Enum):
    """What can happen to an update."""

    WANTED = "wanted"
    """Another spec."""
    REPLACED = "replaced"
    """Another microcontroller is there than the one that was tried, or it fits now."""
    LOST = "lost"
    """It is not attached any more."""
    FOUND = "found"
    """It is attached and runs something else."""
    MATCHED = "matched"
    """It is attached and runs what it shall."""
    DRIFTED = "drifted"
    """It runs something else than was installed."""
    ADMITTED = "admitted"
    """Somebody who may has signed it."""
    FETCHED = "fetched"
    """The image is here, of the right digest."""
    SENT = "sent"
    """The image is on the microcontroller, which starts anew."""
    CONFIRMED = "confirmed"
    UNPATCHED = "unpatched"
    """No patch brings it there: the image is needed."""
    BROKE = "broke"
    """The link failed while it was installed."""
    TAKEN_BACK = "taken back"
    FORBIDDEN = "forbidden"
    GAVE_UP = "gave up"


TABLE: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        **{(state, Event.WANTED): State.WAITING for state in State},
        # nothing is there, or there is
        (State.WAITING, Event.FOUND): State.VERIFYING,
        (State.WAITING, Event.MATCHED): State.RUNNING,
        (State.WAITING, Event.LOST): State.WAITING,
        (State.VERIFYING, Event.LOST): State.WAITING,
        (State.FETCHING, Event.LOST): State.WAITING,
        (State.UPLOADING, Event.LOST): State.WAITING,
        (State.RUNNING, Event.LOST): State.WAITING,
        (State.RUNNING, Event.DRIFTED): State.WAITING,
        # the way of an image
        (State.VERIFYING, Event.ADMITTED): State.FETCHING,
        (State.REFUSED, Event.ADMITTED): State.FETCHING,  # a newer root of trust allows it
        (State.FETCHING, Event.FETCHED): State.UPLOADING,
        (State.UPLOADING, Event.SENT): State.TRIAL,
        (State.UPLOADING, Event.CONFIRMED): State.RUNNING,  # it ran already
        (State.TRIAL, Event.CONFIRMED): State.RUNNING,
        (State.UPLOADING, Event.BROKE): State.FETCHING,  # which takes what is there
        (State.TRIAL, Event.BROKE): State.FETCHING,
        (State.UPLOADING, Event.UNPATCHED): State.FETCHING,
        # verdicts; of WAITING: one that was passed before the agent started
        (State.WAITING, Event.FORBIDDEN): State.REFUSED,
        (State.VERIFYING, Event.FORBIDDEN): State.REFUSED,
        (State.REFUSED, Event.FORBIDDEN): State.REFUSED,
        (State.UPLOADING, Event.FORBIDDEN): State.REFUSED,
        (State.TRIAL, Event.FORBIDDEN): State.REFUSED,
        (State.WAITING, Event.TAKEN_BACK): State.ROLLED_BACK,
        (State.UPLOADING, Event.TAKEN_BACK): State.ROLLED_BACK,
        (State.TRIAL, Event.TAKEN_BACK): State.ROLLED_BACK,
        (State.WAITING, Event.GAVE_UP): State.FAILED,
        (State.FETCHING, Event.GAVE_UP): State.FAILED,
        (State.UPLOADING, Event.GAVE_UP): State.FAILED,
        (State.TRIAL, Event.GAVE_UP): State.FAILED,
        (State.ROLLED_BACK, Event.REPLACED): State.WAITING,
        (State.REFUSED, Event.REPLACED): State.WAITING,
        (State.FAILED, Event.REPLACED): State.WAITING,
    }
)
VERDICTS = frozenset({State.ROLLED_BACK, State.REFUSED, State.FAILED})


def follow(state: State, event: Event) -> State:
    """The state after the event."""
    return TABLE[state, event]
