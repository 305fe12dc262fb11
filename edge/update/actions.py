"""What one firmware needs done next, and what of it outlives the agent."""

from dataclasses import dataclass

from msgspec import Struct

from edge.update.choosing import IMAGE, Way
from edge.update.table import Event
from edge.wire.firmware import DesiredFirmware, Microcontroller


@dataclass(frozen=True, slots=True)
class Verify:
    """Ask whether this may be installed."""

    spec: DesiredFirmware


@dataclass(frozen=True, slots=True)
class Fetch:
    """Have on the disk what the microcontroller needs."""

    spec: DesiredFirmware
    chip: Microcontroller
    whole: bool
    """The image, whatever patches there are."""


@dataclass(frozen=True, slots=True)
class Install:
    """Put it on the microcontroller of this name."""

    spec: DesiredFirmware
    chip: Microcontroller
    way: Way = IMAGE


Action = Verify | Fetch | Install


class Record(Struct, frozen=True, kw_only=True):
    """What must outlive the agent."""

    generation: int = 0
    digest: str = ""
    """What was wanted; of another, the rest says nothing but what is installed."""
    chip: str = ""
    """Where it was tried."""
    attempts: int = 0
    verdict: Event | None = None
    reason: str = ""
    message: str = ""
    installed: str = ""
    """Digest of what was confirmed last."""
    installed_on: str = ""
    installed_version: str = ""
    """What the microcontroller then called it; empty until it was asked."""
    patched: bool = False
    unpatched: str = ""
    """Why no patch is tried."""
    fetched: int = 0
    sent: int = 0
    """Bytes, for what is wanted."""
