"""What updates need of the hardware: who is attached, and somebody to install an image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from edge.wire.firmware import Microcontroller


class Phase(Enum):
    """How far an installation is."""

    UPLOAD = "upload"
    TRIAL = "trial"
    """The image is there; the microcontroller starts with it and must show that it runs."""


class Ending(Enum):
    """How an installation ended."""

    CONFIRMED = "confirmed"
    """It runs for good; also when it did already."""
    ROLLED_BACK = "rolled back"
    REFUSED = "refused"
    """The microcontroller will never take this image."""
    LOST = "lost"
    """The link or the microcontroller failed: trying again can help, and goes on where it was."""


@dataclass(frozen=True, slots=True)
class Result:
    """Of an installation; `reason` is one word or nothing, `message` for a person."""

    ending: Ending
    reason: str = ""
    message: str = ""


Watcher = Callable[[Phase, int, int], None]
"""Is told the phase, and how much of how much is done; may be called on any thread."""


class Microcontrollers(Protocol):
    """Those that are wired to this node."""

    def attached(self) -> Sequence[Microcontroller]:
        """All that are known, connected or not; any thread, never blocks."""
        ...

    def subscribe(self, changed: Callable[[], None], /) -> None:
        """Call `changed`, on any thread, when what `attached` says has changed."""
        ...

    async def install(
        self, name: str, image: Path, watcher: Watcher, *, downgrade: bool
    ) -> Result:
        """Have a microcontroller run the image. Cancelled, it lets go; a later call resumes.

        `downgrade`: it is meant that the image may be older than what runs.
        """
        ...


class NoMicrocontrollers:
    """A node without any."""

    def attached(self) -> Sequence[Microcontroller]:
        """Nothing."""
        return ()

    def subscribe(self, changed: Callable[[], None], /) -> None:
        """Nothing ever changes."""

    async def install(
        self, name: str, image: Path, watcher: Watcher, *, downgrade: bool
    ) -> Result:
        """Cannot be asked for: there is none to name."""
        _ = image, watcher, downgrade
        return Result(Ending.LOST, "NotAttached", f"{name}: no microcontroller is attached")
