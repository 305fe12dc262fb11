"""What an update asks, waits for and comes to; and how a device's answers are read.

`hal.link.upload` decides; whoever performs its steps needs no more than this.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from firmware.link import smp

ASK_SECONDS = 10.0
"""For an answer: erasing flash takes seconds on real parts."""

Answer = Mapping[Any, object] | None
"""None: there was none; nothing is known of what the device did."""


class Phase(Enum):
    """What goes on, for whoever watches."""

    UPLOAD = "upload"
    APPLY = "apply"
    """The device makes the image of a patch."""
    TRIAL = "trial"


class Outcome(Enum):
    """What became of an update."""

    UPDATED = "updated"
    """The image runs and is confirmed."""
    ROLLED_BACK = "rolled back"
    """It was tried; the device runs the earlier one again."""
    REFUSED = "refused"
    """It was not tried."""
    LOST = "lost"
    """The device does not answer; call again when it does."""
    UNPATCHED = "unpatched"
    """No patch brought it there, and the image was not given: call again with it."""


@dataclass(frozen=True, slots=True)
class Result:
    """Of an update."""

    outcome: Outcome
    reason: str = ""
    """In words, for people; empty when it is updated."""
    resumed_at: int = 0
    """Bytes that an earlier upload had left there."""
    sent: int = 0
    """Bytes of the image, or of its patch, that were sent, again ones included."""
    patched: bool = False
    """It was made of a patch."""
    unpatched: str = ""
    """Why the patch was not used that was there."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that is to be made; the generator is sent its answer, or None."""

    operation: int
    group: int
    command: int
    content: Mapping[str, object] = field(default_factory=dict[str, object])
    timeout: float = ASK_SECONDS


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for a time; the generator is sent None."""

    seconds: float = 1.0


Steps = Generator[Ask | Wait, Answer, Result]
Watcher = Callable[[Phase, int, int], None]
"""Is told the phase, bytes or seconds so far, and of how many."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Of a device, as it tells."""

    number: int
    digest: bytes
    version: str
    active: bool
    confirmed: bool
    pending: bool


class EndedError(Exception):
    """The update is over before its end."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


def check(answer: Mapping[str, object], what: str) -> None:
    """EndedError when it is a refusal."""
    found = fault(answer)
    if found:
        raise EndedError(Outcome.REFUSED, f"{what}: {found}")


def fault(answer: Mapping[str, object]) -> str:
    """What an answer says is wrong; empty when nothing is. Both versions of SMP."""
    error = answer.get("err")
    if isinstance(error, Mapping):
        found: Mapping[str, object] = error  # pyright: ignore[reportUnknownVariableType]
        return f"error {found.get('rc')} of group {found.get('group')}"
    rc = answer.get("rc", 0)
    if rc == smp.OK:
        return ""
    if rc == smp.UNSUPPORTED:
        return "the device takes no updates over its link"
    return str(answer.get("rsn", f"error {rc}"))[:200]


def slots_of(answer: Mapping[str, object]) -> list[Slot]:
    """As an image state lists them."""
    found = answer.get("images")
    if not isinstance(found, list):
        raise EndedError(Outcome.REFUSED, "images: the device lists none")
    return [
        Slot(
            number=number if isinstance(number := one.get("slot"), int) else -1,
            digest=as_bytes(one.get("hash")),
            version=str(one.get("version", "")),
            active=one.get("active") is True,
            confirmed=one.get("confirmed") is True,
            pending=one.get("pending") is True,
        )
        for one in found  # pyright: ignore[reportUnknownVariableType]
        if isinstance(one, dict)
    ]


def active(slots: list[Slot]) -> Slot | None:
    """The one whose image runs."""
    return next((slot for slot in slots if slot.active), None)


def as_bytes(value: object) -> bytes:
    """None where it is none."""
    return value if isinstance(value, bytes) else b""
