"""What one can ask of an attached microcontroller: who it is, requests, events, reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from hal.errors import DeviceGoneError

REQUEST_TIMEOUT = 5.0
"""Seconds for a request with its time in the queue; the session gives one up after two."""
TEXT_LIMIT = 64
"""Characters taken of what a device says of itself."""


class Happening(Enum):
    """What becomes of a link. None of it is an error: cables are pulled and power goes."""

    UP = "up"
    DOWN = "down"
    RESTARTED = "restarted"
    """It is another start of the device than before; told before UP."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a device says of itself."""

    name: str
    """Its kind of board, for example `mps2` or `pico`."""
    id: str
    """What tells it from others of its kind; empty when it has nothing of the sort."""
    firmware: str
    """Version."""

    @classmethod
    def of(cls, who: object) -> "Identity":
        """From a hello, which may hold anything."""
        told = who if isinstance(who, dict) else {}
        return cls(*(_text(told.get(key)) for key in ("name", "id", "firmware")))


class Listener(Protocol):
    """Told on the link's thread, so it must not block nor call `request`."""

    def happened(self, what: Happening) -> None:
        """The link came up, went down, or the device restarted."""
        ...

    def reported(self, report: Mapping[object, object]) -> None:
        """The device reported this, once and in order."""
        ...


class Link(Protocol):
    """A microcontroller. Any thread may call."""

    @property
    def name(self) -> str:
        """What people call it on this node."""
        ...

    @property
    def identity(self) -> Identity | None:
        """Who is at the other end; None while the link is down."""
        ...

    def request(
        self,
        operation: int,
        group: int,
        command: int,
        content: Mapping[str, object],
        timeout: float = REQUEST_TIMEOUT,
    ) -> dict[object, object]:
        """The answer to an SMP request, `rc` and all; blocks.

        Raises DeviceGoneError, BusTimeoutError, ResourceBusyError when too many wait, and
        ValueError for a content that is longer than a frame (1,200 bytes with its headers).
        """
        ...


def gone(name: str, why: str) -> DeviceGoneError:
    """The error of a device that is not there."""
    import errno  # noqa: PLC0415

    return DeviceGoneError(errno.ENODEV, f"{name}: {why}")


def _text(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return "".join(each for each in text[:TEXT_LIMIT] if each.isprintable())
