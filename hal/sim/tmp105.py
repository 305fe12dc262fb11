"""TMP105 and LM75 temperature sensors, register by register.

Sources: TI SLLS648 (TMP105), NXP LM75B and TI LM75A data sheets. The alert pin is not wired.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum

from hal.sim.device import NumberRange, RegisterDevice

_SHUTDOWN = 0x01
_ONE_SHOT = 0x80
_RESOLUTION_SHIFT = 5
_CONVERSION = (0.0275, 0.055, 0.110, 0.220)
"""Seconds of one conversion at 9, 10, 11 and 12 bits (typical)."""
_BITS_MINIMUM = 9
_SIXTEENTHS_MIN, _SIXTEENTHS_MAX = -2048, 2047


class _Register(IntEnum):
    TEMPERATURE = 0
    CONFIG = 1
    T_LOW = 2
    T_HIGH = 3


class Tmp105(RegisterDevice):
    """A TMP105. The board's lock serialises its calls."""

    ranges: Mapping[str, NumberRange] = {"temperature": NumberRange(-55.0, 128.0, "Cel")}
    reset_value = 0
    """Temperature register until the first conversion ends: 0 °C."""

    def __init__(self, now: Callable[[], float], temperature: float = 20.0) -> None:
        """Powered up with 9 bits, converting all the time."""
        super().__init__(now)
        self._values = {"temperature": temperature}
        self._pointer = _Register.TEMPERATURE
        self._config = 0
        self._limits = {_Register.T_LOW: 75 << 4, _Register.T_HIGH: 80 << 4}
        self._result = self.reset_value
        self._started: float | None = now()

    def write(self, data: bytes) -> None:
        """Pointer byte, then the register's bytes; what follows is ignored."""
        self._settle()
        if not data:
            return
        self._pointer = _Register(data[0] & 0x03)
        if len(data) == 1 or self._pointer is _Register.TEMPERATURE:
            return
        if self._pointer is _Register.CONFIG:
            self._configure(data[1])
        else:
            raw = (data[1] << 8) | (data[2] if len(data) > 2 else 0)  # noqa: PLR2004
            self._limits[self._pointer] = raw >> 4

    def read(self, length: int) -> bytes:
        """The register under the pointer; bytes past its end read 0xFF, as a released bus does."""
        self._settle()
        if self._pointer is _Register.CONFIG:
            value = bytes([self._config])
        elif self._pointer is _Register.TEMPERATURE:
            value = ((self._result << 4) & 0xFFFF).to_bytes(2, "big")
        else:
            value = ((self._limits[self._pointer] << 4) & 0xFFFF).to_bytes(2, "big")
        return value[:length].ljust(length, b"\xff")

    def _configure(self, value: int) -> None:
        one_shot = bool(value & _ONE_SHOT and value & _SHUTDOWN)
        self._config = value & ~_ONE_SHOT & 0xFF
        # A shutdown lets the conversion that runs come to its end; the bit for one reads as 0.
        if one_shot or (self._started is None and not value & _SHUTDOWN):
            self._started = self._now()

    def _settle(self) -> None:
        """Latch the conversions that ended since the last look."""
        if self._started is None:
            return
        _, duration = self._resolution()
        done = int((self._now() - self._started) / duration)
        if done < 1:
            return
        self._result = self._quantised()
        self._started = None if self._config & _SHUTDOWN else self._started + done * duration

    def _resolution(self) -> tuple[int, float]:
        """Bits in force, and the seconds of one conversion."""
        code = (self._config >> _RESOLUTION_SHIFT) & 0x03
        return _BITS_MINIMUM + code, _CONVERSION[code]

    def _quantised(self) -> int:
        sixteenths = round(self._values["temperature"] * 16)
        bits, _ = self._resolution()
        unused = 12 - bits
        return max(_SIXTEENTHS_MIN, min(_SIXTEENTHS_MAX, sixteenths)) >> unused << unused


class Lm75(Tmp105):
    """An LM75: 9 bits, 100 ms a conversion, no one-shot. The board's lock serialises its calls."""

    def _resolution(self) -> tuple[int, float]:
        return _BITS_MINIMUM, 0.1

    def _configure(self, value: int) -> None:
        super()._configure(value & 0x1F)
