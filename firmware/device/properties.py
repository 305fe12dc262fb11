"""What a property does with hardware: one class for each kind of `config`.

A property has `every` and `change` as configured, `pin` where it drives one, and can be read, written
and made safe.
"""

import time

from firmware.device.config import PARTS
from firmware.drivers.bme280 import Bme280
from firmware.drivers.tmp105 import Lm75, Tmp105

_FULL = 65535
"""What MicroPython calls the whole range of a converter, and all of the time of a PWM."""


class ReadOnlyError(ValueError):
    """A property that cannot be written."""


class Sensed:
    """What is only read: the base of all that are."""

    pin = None

    def __init__(self, entry: dict[str, object]) -> None:
        self.every = entry["every"]

    def write(self, _value: object) -> None:
        """Raises ReadOnlyError."""
        raise ReadOnlyError("an input, which cannot be written")

    def make_safe(self) -> None:
        """Nothing to do."""


class Input(Sensed):
    """A line that is read: 0 or 1."""

    change = 1

    def __init__(self, machine: object, _buses: object, entry: dict[str, object]) -> None:
        super().__init__(entry)
        pull = entry.get("pull")
        if pull is None:
            self._pin = machine.Pin(entry["pin"], machine.Pin.IN)
        else:
            to = _part(machine.Pin, "PULL_UP" if pull == "up" else "PULL_DOWN")
            self._pin = machine.Pin(entry["pin"], machine.Pin.IN, to)

    def read(self) -> int:
        """Its level."""
        return self._pin.value()


class Analogue(Sensed):
    """A voltage: 0 to 1 of the converter's range, or in the unit of `low` and `high`."""

    def __init__(self, machine: object, _buses: object, entry: dict[str, object]) -> None:
        super().__init__(entry)
        self.change = entry["change"]
        self._low = entry["low"]
        self._span = entry["high"] - entry["low"]
        self._converter = _part(machine, "ADC")(machine.Pin(entry["pin"]))

    def read(self) -> float:
        """What the converter sees now."""
        return self._low + self._span * self._converter.read_u16() / _FULL


class Output:
    """A line that is driven: 0 or 1."""

    change = 1
    every = 0
    """Reported when it is written, not sampled."""

    def __init__(self, machine: object, _buses: object, entry: dict[str, object]) -> None:
        self.pin = entry["pin"]
        self._safe = entry.get("safe")
        self._pin = machine.Pin(entry["pin"], machine.Pin.OUT)
        self.make_safe()

    def read(self) -> int:
        """Its level."""
        return self._pin.value()

    def write(self, value: object) -> None:
        """Drive it; ValueError unless 0 or 1."""
        if value not in (0, 1):
            raise ValueError("must be 0 or 1")
        self._pin.value(int(value))

    def make_safe(self) -> None:
        """Nobody says what is right: the level of the configuration, if it has one."""
        if self._safe is not None:
            self._pin.value(self._safe)


class Pulsed:
    """A line that is high for a share of the time, 0 to 1, at the frequency of the configuration."""

    change = 0.001
    every = 0
    """Reported when it is written, not sampled."""

    def __init__(self, machine: object, _buses: object, entry: dict[str, object]) -> None:
        self.pin = entry["pin"]
        self._safe = entry["safe"]
        self._pwm = _part(machine, "PWM")(machine.Pin(entry["pin"]))
        self._pwm.freq(entry["freq"])
        self.make_safe()

    def read(self) -> float:
        """The share that was last asked for."""
        return self._share

    def write(self, value: object) -> None:
        """Drive it; ValueError unless a number from 0 to 1."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ValueError("must be a number from 0 to 1")
        self._pwm.duty_u16(round(value * _FULL))
        self._share = value

    def make_safe(self) -> None:
        """The share of the configuration."""
        self.write(self._safe)


class Thermometer(Sensed):
    """Degrees Celsius."""

    sensor = Tmp105

    def __init__(
        self, _machine: object, buses: dict[str, object], entry: dict[str, object]
    ) -> None:
        super().__init__(entry)
        self.change = entry["change"]
        self._sensor = self.sensor(buses[entry["bus"]], entry["address"])

    def read(self) -> float:
        """The temperature; OSError when the sensor does not answer."""
        return self._sensor.celsius()


class OldThermometer(Thermometer):
    """Degrees Celsius, in halves."""

    sensor = Lm75


class Weather:
    """A BME280 with its three properties: they share a measurement until one asks for the second time."""

    def __init__(
        self, _machine: object, buses: dict[str, object], entry: dict[str, object]
    ) -> None:
        self._sensor = Bme280(buses[entry["bus"]], entry["address"], time.sleep_ms)
        self._measured = ()
        self._seen = set()
        self.parts = {
            name: WeatherPart(self, index, name, entry)
            for index, name in enumerate(PARTS["bme280"])
        }

    def value(self, index: int) -> float:
        """Part of a measurement that was not asked for it yet."""
        if not self._measured or index in self._seen:
            self._measured = ()
            self._measured = self._sensor.measured()
            self._seen.clear()
        self._seen.add(index)
        return self._measured[index]


class WeatherPart(Sensed):
    """One of the three."""

    def __init__(self, whole: Weather, index: int, name: str, entry: dict[str, object]) -> None:
        super().__init__(entry)
        self.change = entry[name]
        self._whole = whole
        self._index = index

    def read(self) -> float:
        """Its value; OSError when the sensor does not answer."""
        return self._whole.value(self._index)


KINDS = {
    "in": Input,
    "out": Output,
    "adc": Analogue,
    "pwm": Pulsed,
    "tmp105": Thermometer,
    "lm75": OldThermometer,
    "bme280": Weather,
}


def make_buses(machine: object, config: dict[str, object]) -> dict[str, object]:
    """The I2C buses of a configuration, by name."""
    return {
        name: machine.SoftI2C(machine.Pin(bus["scl"]), machine.Pin(bus["sda"]), freq=bus["freq"])
        for name, bus in config["buses"].items()
    }


def make_properties(
    machine: object, config: dict[str, object], buses: dict[str, object]
) -> dict[str, object]:
    """The properties of a configuration, by name; ValueError names what the hardware lacks."""
    made = {}
    for name, entry in config["properties"].items():
        try:
            found = KINDS[entry["kind"]](machine, buses, entry)
        except (ValueError, OSError) as error:
            raise ValueError(f"properties.{name}: {error}") from None
        if isinstance(found, Weather):
            for part in found.parts:
                made[f"{name}.{part}"] = found.parts[part]
        else:
            made[name] = found
    return made


def _part(of: object, name: str) -> object:
    """What a port of MicroPython has, or ValueError."""
    if not hasattr(of, name):
        raise ValueError(f"this microcontroller has no {name}")
    return getattr(of, name)
