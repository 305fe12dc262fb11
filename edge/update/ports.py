"""What updates need of the hardware: who is attached, and somebody to install an image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from edge.wire.firmware import FirmwareManifest, Microcontroller


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
    UNPATCHED = "unpatched"
    """No patch brought it there; the image will."""
    LOST = "lost"
    """The link or the microcontroller failed: trying again can help, and goes on where it was."""


@dataclass(frozen=True, slots=True)
class Result:
    """Of an installation; `reason` is one word or nothing, `message` for a person."""

    ending: Ending
    reason: str = ""
    message: str = ""
    sent: int = 0
    """Bytes of image and patch that went over the link."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a microcontroller has in its flash, as it says itself. Digests as `sha256:…`."""

    runs: str = ""
    """The image that runs, as bootloaders name it; empty where it does not say."""
    patch_limit: int = 0
    """Bytes of a patch that it takes; 0: it takes none."""
    images: frozenset[str] = frozenset()
    """Of all bytes of each image there; of none where its firmware does not say."""


@dataclass(frozen=True, slots=True)
class Cargo:
    """What an installation may send."""

    manifest: FirmwareManifest
    """What shall run afterwards, as it was signed."""
    image: Path | None = None
    """None: it is not here, so that a patch brings it or nothing does."""
    patch: Path | None = None


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

    async def held(self, name: str) -> Held | None:
        """Ask a microcontroller what it has; None when it does not answer."""
        ...

    async def install(
        self, name: str, cargo: Cargo, watcher: Watcher, *, downgrade: bool
    ) -> Result:
        """Have a microcontroller run the image. Cancelled, it lets go; a later call resumes.

        An image that is not here counts as running when the microcontroller says the SHA-256 of the
        manifest of what it runs: nothing that a patch says of itself is believed. `downgrade`:
        it is meant that the image may be older than what runs.
        """
        ...
