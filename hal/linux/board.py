"""A real Linux board: names that people use, mapped to chips and lines, buses and device nodes."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hal.board import not_found
from hal.errors import ResourceBusyError
from hal.gpio import LineConfig
from hal.i2c import check_address, device_name
from hal.linux.gpio import LinePlace, LinuxLine, line_places
from hal.linux.i2c import LinuxI2CDevice
from hal.linux.serial import LinuxSerialPort
from hal.serial import SerialConfig

_PORT_UNKNOWN = "0"
"""Linux's include/uapi/linux/serial.h, as sysfs shows it."""


@dataclass(frozen=True, slots=True)
class LinuxConfig:
    """What a board has, by the names that grants use."""

    name: str = "linux"
    lines: Mapping[str, LinePlace] = field(default_factory=dict[str, LinePlace])
    buses: Mapping[str, Path] = field(default_factory=dict[str, Path])
    ports: Mapping[str, Path] = field(default_factory=dict[str, Path])


class LinuxBoard:
    """Opens real hardware by name. Any thread may call."""

    def __init__(self, config: LinuxConfig) -> None:
        """Opens nothing yet."""
        self._config = config
        self._lock = threading.Lock()
        self._claimed: set[str] = set()

    @property
    def name(self) -> str:
        """The board's type."""
        return self._config.name

    def resources(self) -> list[str]:
        """Names that can be granted."""
        return sorted({*self._config.lines, *self._config.buses, *self._config.ports})

    def open_line(self, name: str, config: LineConfig) -> LinuxLine:
        """Request a GPIO line."""
        place = self._config.lines.get(name)
        if place is None:
            raise not_found("GPIO line", name, self._config.lines)
        return LinuxLine(name, place, config)

    def open_i2c(self, bus: str, address: int) -> LinuxI2CDevice:
        """Claim a 7-bit address on a bus; the claim holds within this process."""
        node = self._config.buses.get(bus)
        if node is None:
            raise not_found("I2C bus", bus, self._config.buses)
        check_address(bus, address)
        name = device_name(bus, address)
        self._claim(name)
        try:
            return LinuxI2CDevice(name, node, address, lambda: self._unclaim(name))
        except BaseException:
            self._unclaim(name)
            raise

    def open_serial(self, name: str, config: SerialConfig) -> LinuxSerialPort:
        """Open a serial port."""
        node = self._config.ports.get(name)
        if node is None:
            raise not_found("serial port", name, self._config.ports)
        return LinuxSerialPort(name, node, config)

    def close(self) -> None:
        """Nothing to release: what was opened belongs to whoever opened it."""

    def _claim(self, name: str) -> None:
        with self._lock:
            if name in self._claimed:
                raise ResourceBusyError(f"{name} is already open")
            self._claimed.add(name)

    def _unclaim(self, name: str) -> None:
        with self._lock:
            self._claimed.discard(name)


def discover(name: str = "linux") -> LinuxConfig:
    """What this machine has: named GPIO lines, `/dev/i2c-*`, and serial ports by node name."""
    dev = Path("/dev")
    ports = [
        node
        for pattern in ("serial[0-9]*", "ttyAMA*", "ttyUSB*", "ttyACM*")
        for node in dev.glob(pattern)
    ]
    ports += [dev / tty.name for tty in Path("/sys/class/tty").glob("ttyS*") if _is_there(tty)]
    return LinuxConfig(
        name=name,
        lines=line_places(),
        buses={node.name: node for node in dev.glob("i2c-*")},
        ports={node.name: node for node in ports},
    )


def _is_there(tty: Path) -> bool:
    """Whether a chip was found for a serial port; the kernel makes nodes for some that are not."""
    kind = tty / "type"
    return kind.exists() and kind.read_text().strip() != _PORT_UNKNOWN
