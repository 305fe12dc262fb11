"""A board of which some parts are real: each name belongs to one of the two."""

from hal.gpio import Line, LineConfig
from hal.i2c import I2CDevice
from hal.linux.board import LinuxBoard
from hal.serial import SerialConfig, SerialPort
from hal.sim.board import SimBoard, Snapshot, Value


class HybridBoard:
    """Opens what the simulation has there, and everything else as real. Any thread may call."""

    def __init__(self, sim: SimBoard, linux: LinuxBoard) -> None:
        """The names of the two must differ."""
        self.sim = sim
        self._linux = linux

    @property
    def name(self) -> str:
        """The board's type."""
        return self.sim.name

    def resources(self) -> list[str]:
        """Names that can be granted, of both."""
        return sorted([*self.sim.resources(), *self._linux.resources()])

    def open_line(self, name: str, config: LineConfig) -> Line:
        """Request a GPIO line."""
        return self._side(name).open_line(name, config)

    def open_i2c(self, bus: str, address: int) -> I2CDevice:
        """Claim a 7-bit address on a bus."""
        return self._side(bus).open_i2c(bus, address)

    def open_serial(self, name: str, config: SerialConfig) -> SerialPort:
        """Open a serial port."""
        return self._side(name).open_serial(name, config)

    def close(self) -> None:
        """Hang up the simulated ports; may be called twice."""
        self.sim.close()

    def drive(self, target: str, **values: Value) -> None:
        """Drive a simulated part; see `SimBoard.drive`."""
        self.sim.drive(target, **values)

    def observe(self) -> Snapshot:
        """What every simulated part does now."""
        return self.sim.observe()

    def _side(self, name: str) -> SimBoard | LinuxBoard:
        return self._linux if name in self._linux.resources() else self.sim
