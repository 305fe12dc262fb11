"""BME280 pressure, humidity and temperature sensor, register by register (Bosch BST-BME280-DS002).

Raw values are found by inverting the data sheet's compensation, so that a driver which follows
the data sheet reads what was set. The IIR filter settles at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from struct import pack

from hal.sim.device import NumberRange, RegisterDevice

CHIP_ID = 0x60
_RESET_WORD = 0xB6
_SKIPPED_20 = 0x80000
_SKIPPED_16 = 0x8000
_MEASURING = 0x08
_SLEEP, _NORMAL = 0, 3
_STANDBY = (0.0005, 0.0625, 0.125, 0.25, 0.5, 1.0, 0.010, 0.020)
"""Seconds between measurements in normal mode, by config bits 7:5 (table 27)."""


class _Register(IntEnum):
    CALIBRATION_1 = 0x88
    CHIP_ID = 0xD0
    RESET = 0xE0
    CALIBRATION_2 = 0xE1
    CTRL_HUM = 0xF2
    STATUS = 0xF3
    CTRL_MEAS = 0xF4
    CONFIG = 0xF5
    DATA = 0xF7


@dataclass(frozen=True, slots=True)
class Trimming:
    """Calibration words as the data sheet names them (table 16); the defaults are one real chip's."""

    t1: int = 27504
    t2: int = 26435
    t3: int = -1000
    p1: int = 36477
    p2: int = -10685
    p3: int = 3024
    p4: int = 2855
    p5: int = 140
    p6: int = -7
    p7: int = 15500
    p8: int = -14600
    p9: int = 6000
    h1: int = 75
    h2: int = 370
    h3: int = 0
    h4: int = 313
    h5: int = 50
    h6: int = 30

    def registers(self) -> dict[int, int]:
        """The bytes at 0x88-0xA1 and 0xE1-0xE7."""
        words = [getattr(self, item.name) for item in fields(self)]
        first = pack("<HhhHhhhhhhhh", *words[:12]) + bytes([0, self.h1])
        shared = (self.h4 & 0x0F) | ((self.h5 & 0x0F) << 4)
        second = pack("<hBbBbb", self.h2, self.h3, self.h4 >> 4, shared, self.h5 >> 4, self.h6)
        return {
            **dict(enumerate(first, _Register.CALIBRATION_1)),
            **dict(enumerate(second, _Register.CALIBRATION_2)),
        }


class Bme280(RegisterDevice):
    """A BME280. The board's lock serialises its calls."""

    ranges: Mapping[str, NumberRange] = {
        "temperature": NumberRange(-40.0, 85.0, "Cel"),
        "pressure": NumberRange(30_000.0, 110_000.0, "Pa"),
        "humidity": NumberRange(0.0, 100.0, "%RH"),
    }

    def __init__(
        self,
        now: Callable[[], float],
        trimming: Trimming | None = None,
    ) -> None:
        """Powered up asleep, at 20 °C, 1013.25 hPa and 50 %RH."""
        super().__init__(now)
        self._values = {"temperature": 20.0, "pressure": 101_325.0, "humidity": 50.0}
        self._trimming = trimming or Trimming()
        self._calibration = self._trimming.registers()
        self._pointer = 0
        self._reset()

    def write(self, data: bytes) -> None:
        """Pairs of register and value; a last lone byte sets the register to read from."""
        self._settle()
        for register, value in zip(data[0::2], data[1::2], strict=False):
            self._store(register, value)
        if len(data) % 2:
            self._pointer = data[-1]

    def read(self, length: int) -> bytes:
        """Registers from the pointer on; the address counts up, the data are of one measurement."""
        self._settle()
        start = self._pointer
        self._pointer = (start + length) & 0xFF
        return bytes(self._load((start + offset) & 0xFF) for offset in range(length))

    def _reset(self) -> None:
        self._ctrl_hum = self._ctrl_hum_in_force = self._ctrl_meas = self._config = 0
        self._started: float | None = None
        self._latch(_SKIPPED_20, _SKIPPED_20, _SKIPPED_16)

    def _store(self, register: int, value: int) -> None:
        if register == _Register.RESET and value == _RESET_WORD:
            self._reset()
        elif register == _Register.CTRL_HUM:
            self._ctrl_hum = value & 0x07
        elif register == _Register.CONFIG:
            self._config = value & 0xFD
        elif register == _Register.CTRL_MEAS:
            self._ctrl_meas = value
            # Section 5.4.3: a change of ctrl_hum counts from the next write to ctrl_meas.
            self._ctrl_hum_in_force = self._ctrl_hum
            self._started = None if self._mode == _SLEEP else self._now()

    def _load(self, register: int) -> int:
        held = {
            _Register.CHIP_ID: CHIP_ID,
            _Register.CTRL_HUM: self._ctrl_hum,
            _Register.STATUS: _MEASURING if self._measuring() else 0,
            _Register.CTRL_MEAS: self._ctrl_meas,
            _Register.CONFIG: self._config,
        }
        if register in held:
            return held[_Register(register)]
        if register >= _Register.DATA:
            offset = register - _Register.DATA
            return self._data[offset] if offset < len(self._data) else 0
        return self._calibration.get(register, 0)

    @property
    def _mode(self) -> int:
        return self._ctrl_meas & 0x03

    @property
    def _oversampling(self) -> tuple[int, int, int]:
        """Samples of temperature, pressure and humidity; 0 is skipped."""

        def samples(code: int) -> int:
            return min(1 << code >> 1, 16)

        return (
            samples(self._ctrl_meas >> 5),
            samples((self._ctrl_meas >> 2) & 0x07),
            samples(self._ctrl_hum_in_force),
        )

    @property
    def _duration(self) -> float:
        """Longest time of one measurement in seconds (section 9.1)."""
        temperature, *others = self._oversampling
        extra = sum(2.3 * samples + 0.575 for samples in others if samples)
        return (1.25 + 2.3 * temperature + extra) / 1000

    @property
    def _cycle(self) -> float:
        standby = _STANDBY[self._config >> 5] if self._mode == _NORMAL else 0.0
        return self._duration + standby

    def _measuring(self) -> bool:
        return self._started is not None and (0 <= self._now() - self._started < self._duration)

    def _settle(self) -> None:
        if self._started is None or self._now() - self._started < self._duration:
            return
        self._measure()
        if self._mode == _NORMAL:
            cycle = self._cycle
            finished = int((self._now() - self._started - self._duration) / cycle) + 1
            self._started += finished * cycle
        else:
            self._started = None
            self._ctrl_meas &= ~0x03

    def _measure(self) -> None:
        temperature, pressure, humidity = self._oversampling
        trimming = self._trimming
        values = self._values
        raw_t, raw_p, raw_h = _SKIPPED_20, _SKIPPED_20, _SKIPPED_16
        if temperature:
            raw_t = nearest_raw(20, values["temperature"], lambda raw: celsius(trimming, raw))
        fine = fine_temperature(trimming, raw_t)
        if pressure:
            raw_p = nearest_raw(20, -values["pressure"], lambda raw: -pascal(trimming, raw, fine))
        if humidity:
            raw_h = nearest_raw(16, values["humidity"], lambda raw: percent(trimming, raw, fine))
        self._latch(raw_t, raw_p, raw_h)

    def _latch(self, raw_t: int, raw_p: int, raw_h: int) -> None:
        self._data = (
            (raw_p << 4).to_bytes(3, "big") + (raw_t << 4).to_bytes(3, "big")
        ) + raw_h.to_bytes(2, "big")


# Compensation in floating point: section 8.1 of the data sheet.


def fine_temperature(trimming: Trimming, raw: int) -> float:
    """`t_fine` of a raw 20-bit temperature: 5120 a degree."""
    first = (raw / 16384.0 - trimming.t1 / 1024.0) * trimming.t2
    second = (raw / 131072.0 - trimming.t1 / 8192.0) ** 2 * trimming.t3
    return first + second


def celsius(trimming: Trimming, raw: int) -> float:
    """Degrees Celsius of a raw 20-bit temperature."""
    return fine_temperature(trimming, raw) / 5120.0


def pascal(trimming: Trimming, raw: int, fine: float) -> float:
    """Pascal of a raw 20-bit pressure."""
    half = fine / 2.0 - 64000.0
    offset = half * half * trimming.p6 / 32768.0 + half * trimming.p5 * 2.0
    offset = offset / 4.0 + trimming.p4 * 65536.0
    slope = (trimming.p3 * half * half / 524288.0 + trimming.p2 * half) / 524288.0
    slope = (1.0 + slope / 32768.0) * trimming.p1
    pressure = (1048576.0 - raw - offset / 4096.0) * 6250.0 / slope
    square = trimming.p9 * pressure * pressure / 2147483648.0
    return pressure + (square + pressure * trimming.p8 / 32768.0 + trimming.p7) / 16.0


def percent(trimming: Trimming, raw: int, fine: float) -> float:
    """Relative humidity of a raw 16-bit value, not clipped to 0-100."""
    warm = fine - 76800.0
    base = raw - (trimming.h4 * 64.0 + trimming.h5 / 16384.0 * warm)
    curve = 1.0 + trimming.h6 / 67108864.0 * warm * (1.0 + trimming.h3 / 67108864.0 * warm)
    humidity = base * (trimming.h2 / 65536.0 * curve)
    return humidity * (1.0 - trimming.h1 * humidity / 524288.0)


def nearest_raw(bits: int, wanted: float, compensate: Callable[[int], float]) -> int:
    """The raw value whose compensated value is nearest; `compensate` must rise."""
    low, high = 0, (1 << bits) - 1
    while low < high:
        middle = (low + high) // 2
        if compensate(middle) < wanted:
            low = middle + 1
        else:
            high = middle
    if low and wanted - compensate(low - 1) < compensate(low) - wanted:
        return low - 1
    return low
