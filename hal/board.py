"""A board: the names that people use for its lines, buses and ports."""

from collections.abc import Collection, Mapping
from typing import Protocol, runtime_checkable

from hal.errors import ResourceNotFoundError
from hal.gpio import Line, LineConfig
from hal.i2c import I2CDevice
from hal.serial import SerialConfig, SerialPort


@runtime_checkable
class Board(Protocol):
    """Opens hardware by its name on this board. Any thread may call.

    Each `open_*` raises ResourceNotFoundError naming what exists, or ResourceBusyError.
    """

    @property
    def name(self) -> str:
        """The board's type, for example `sim` or `rpi3`."""
        ...

    def resources(self) -> list[str]:
        """Names that can be granted: `GPIO17`, `i2c-1`, `serial0`."""
        ...

    def open_line(self, name: str, config: LineConfig) -> Line:
        """Request a GPIO line."""
        ...

    def open_i2c(self, bus: str, address: int) -> I2CDevice:
        """Claim a 7-bit address on a bus."""
        ...

    def open_serial(self, name: str, config: SerialConfig) -> SerialPort:
        """Open a serial port."""
        ...

    def close(self) -> None:
        """Release what the board itself holds; may be called twice."""
        ...


def not_found(what: str, name: str, existing: Collection[str]) -> ResourceNotFoundError:
    """The error for a name that the board does not have, listing those it has."""
    known = ", ".join(sorted(existing)) or "none"
    return ResourceNotFoundError(f"no {what} named {name!r} on this board; there are: {known}")


@runtime_checkable
class AttachingBoard(Board, Protocol):
    """A board with parts that come and go. Any thread may call."""

    def attach(self) -> None:
        """Look for what is attached from now on; once."""
        ...

    def awaits(self, name: str) -> bool:
        """Whether a name that `resources` lacks may be of a part that was not met yet."""
        ...


@runtime_checkable
class DrivenBoard(Board, Protocol):
    """A board with simulated parts, which can be driven and observed. Any thread may call."""

    def drive(self, target: str, **values: bool | float | str) -> None:
        """Change what the outside world does to `target`; DriveError names what is wrong."""
        ...

    def observe(self) -> Mapping[str, object]:
        """What each simulated part does now: frozen dataclasses of `hal.sim` by target."""
        ...
