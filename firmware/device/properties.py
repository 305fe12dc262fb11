"""What a property does with hardware: one class for each kind of `config`."""


class ReadOnlyError(ValueError):
    """A property that cannot be written."""


class Input:
    """A line that is read: 0 or 1."""

    change = 1

    def __init__(self, machine: object, _buses: object, entry: dict[str, object]) -> None:
        self.every = entry["every"]
        self._pin = machine.Pin(entry["pin"], machine.Pin.IN)

    def read(self) -> int:
        """Its level."""
        return self._pin.value()

    def write(self, _value: object) -> None:
        """Raises ReadOnlyError."""
        raise ReadOnlyError("an input")

    def make_safe(self) -> None:
        """Nothing to do."""


class Output:
    """A line that is driven: 0 or 1."""

    change = 1
    every = 0
    """Reported when it is written, not sampled."""

    def __init__(self, machine: object, _buses: object, entry: dict[str, object]) -> None:
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


class Tmp105:
    """A thermometer of the TMP105/LM75 family: degrees Celsius (TI SBOS148, 7.5)."""

    def __init__(
        self, _machine: object, buses: dict[str, object], entry: dict[str, object]
    ) -> None:
        self.every = entry["every"]
        self.change = entry["change"]
        self._bus = buses[entry["bus"]]
        self._address = entry["address"]

    def read(self) -> float:
        """The temperature; OSError when the sensor does not answer."""
        data = self._bus.readfrom_mem(self._address, 0, 2)
        raw = data[0] << 8 | data[1]
        return (raw - 0x10000 if raw & 0x8000 else raw) / 256

    def write(self, _value: object) -> None:
        """Raises ReadOnlyError."""
        raise ReadOnlyError("a sensor")

    def make_safe(self) -> None:
        """Nothing to do."""


KINDS = {"in": Input, "out": Output, "tmp105": Tmp105}


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
            made[name] = KINDS[entry["kind"]](machine, buses, entry)
        except (ValueError, OSError) as error:
            raise ValueError(f"properties.{name}: {error}") from None
    return made
