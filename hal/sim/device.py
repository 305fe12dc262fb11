"""What a simulated I2C device is: a model that answers write and read messages.

To add one, subclass `RegisterDevice` in a file of its own and name it in `hal.sim.models`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from hal.errors import DriveError


@dataclass(frozen=True, slots=True)
class NumberRange:
    """What may be driven: bounds of the sensor and the SenML unit."""

    low: float
    high: float
    unit: str


class SimDevice(Protocol):
    """A device model. It is never called by two threads at once: the board's lock is held."""

    def write(self, data: bytes) -> None:
        """Take one write message."""
        ...

    def read(self, length: int) -> bytes:
        """Answer one read message with exactly `length` bytes."""
        ...

    def drive(self, name: str, value: float) -> None:
        """Change what the device measures; DriveError when it measures no such thing."""
        ...

    def values(self) -> Mapping[str, float]:
        """What it measures now."""
        ...


class RegisterDevice:
    """Base of models that measure numbers with a clock; subclasses fill in write and read."""

    ranges: Mapping[str, NumberRange]
    """Bounds of each driven value."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` gives monotonic seconds: conversions take their time."""
        self._now = now
        self._values: dict[str, float] = {}

    def drive(self, name: str, value: float) -> None:
        """Change a measured value; readings already latched stay as they are."""
        bounds = self.ranges.get(name)
        if bounds is None:
            known = ", ".join(self.ranges)
            raise DriveError(f"measures no {name!r}; it measures {known}")
        if not bounds.low <= value <= bounds.high:
            raise DriveError(
                f"{name}={value:g} is out of range: {bounds.low:g} to {bounds.high:g} {bounds.unit}"
            )
        self._settle()
        self._values[name] = value

    def values(self) -> Mapping[str, float]:
        """What it measures now."""
        return dict(self._values)

    def _settle(self) -> None:
        """Latch what was finished by now; called before anything changes or is read."""
        raise NotImplementedError
