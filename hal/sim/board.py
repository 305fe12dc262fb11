"""A simulated board: the HAL on one side, the world that drives it on the other.

One lock guards pins and devices; `wait_for` sleeps on it until something changed.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hal import clock
from hal.board import not_found
from hal.errors import DriveError, ResourceBusyError
from hal.gpio import Direction, LineConfig
from hal.i2c import check_address, device_name, parse_device_name
from hal.linux.serial import LinuxSerialPort
from hal.serial import SerialConfig
from hal.sim.device import SimDevice
from hal.sim.gpio import Pin, SimLine
from hal.sim.i2c import Fault, SimI2CDevice, Socket
from hal.sim.models import make_device
from hal.sim.serial import FarEnd

CHANGES_LIMIT = 1024
"""Changes remembered; enough for a test's scenario, a few hundred KiB at most."""
DEFAULT_RATE = 960.0
"""Bytes a second of a recording: 9600 baud, 8N1."""

Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class LineState:
    """What a pin does."""

    level: bool
    """Electrical level."""
    direction: Direction | None
    """How its owner requested it; None while nobody has."""


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What an I2C device measures and how it fares."""

    values: Mapping[str, float]
    present: bool
    transactions: int


@dataclass(frozen=True, slots=True)
class PortState:
    """What crossed a serial port, seen from its far end."""

    path: Path
    """The device node."""
    received: bytes
    """The newest bytes that the app wrote."""
    sent: int
    """Bytes sent to the app so far."""


State = LineState | DeviceState | PortState
Snapshot = Mapping[str, State]


@dataclass(frozen=True, slots=True)
class Change:
    """Something an owner did to a pin."""

    time_ns: int
    target: str
    state: LineState


class SimBoard:
    """Opens simulated hardware by name, and is driven from outside. Any thread may call."""

    def __init__(self, name: str = "sim", now: Callable[[], float] = clock.monotonic) -> None:
        """An empty board; `now` gives the devices their time in seconds."""
        self._name = name
        self._now = now
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._pins: dict[str, Pin] = {}
        self._buses: dict[str, dict[int, Socket]] = {}
        self._claimed: set[str] = set()
        self._ports: dict[str, FarEnd] = {}
        self._waiting: dict[str, tuple[bytes, float, bool]] = {}
        self._changes: deque[Change] = deque(maxlen=CHANGES_LIMIT)

    # --- building ------------------------------------------------------------------------------

    def add_line(self, name: str, *, level: bool | None = None) -> None:
        """A pin; `level` is what the outside drives, None leaves it floating."""
        with self._lock:
            self._pins[name] = Pin(name, level=level)

    def add_bus(self, name: str) -> None:
        """An I2C bus; a bus that exists stays."""
        with self._lock:
            self._buses.setdefault(name, {})

    def add_device(self, bus: str, address: int, device: SimDevice | str) -> None:
        """Put a device, or a new one of the named model, on a bus."""
        check_address(bus, address)
        made = make_device(device, self._now) if isinstance(device, str) else device
        with self._lock:
            sockets = self._buses.setdefault(bus, {})
            sockets[address] = Socket(device_name(bus, address), made)

    def add_port(self, name: str) -> None:
        """A serial port on a new pty pair."""
        self._ports[name] = FarEnd(name, self._notify)

    def play_when_opened(
        self, port: str, recording: bytes, rate: float = DEFAULT_RATE, *, repeat: bool = False
    ) -> None:
        """Play a recording from its start each time the port is opened."""
        self._far_end(port)
        with self._lock:
            self._waiting[port] = (recording, rate, repeat)

    # --- the HAL -------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The board's type."""
        return self._name

    def resources(self) -> list[str]:
        """Names that can be granted."""
        return sorted({*self._pins, *self._buses, *self._ports})

    def open_line(self, name: str, config: LineConfig) -> SimLine:
        """Request a GPIO line."""
        with self._lock:
            pin = self._pins.get(name)
            if pin is None:
                raise not_found("GPIO line", name, self._pins)
            if pin.owner is not None:
                raise ResourceBusyError(f"{name} is already open")
            line = SimLine(pin, config, self._lock, self._line_changed)
            self._line_changed(name)
            return line

    def open_i2c(self, bus: str, address: int) -> SimI2CDevice:
        """Claim a 7-bit address on a bus; as on a real one, something need not be there."""
        with self._lock:
            sockets = self._buses.get(bus)
            if sockets is None:
                raise not_found("I2C bus", bus, self._buses)
            check_address(bus, address)
            name = device_name(bus, address)
            if name in self._claimed:
                raise ResourceBusyError(f"{name} is already open")
            self._claimed.add(name)
            return SimI2CDevice(
                name, sockets.get(address), self._lock, lambda: self._claimed.discard(name)
            )

    def open_serial(self, name: str, config: SerialConfig) -> LinuxSerialPort:
        """Open the node of a simulated port; the bytes are as real as on any tty."""
        far_end = self._ports.get(name)
        if far_end is None:
            raise not_found("serial port", name, self._ports)
        port = LinuxSerialPort(name, far_end.path, config)
        with self._lock:
            waiting = self._waiting.get(name)
        if waiting is not None:
            recording, rate, repeat = waiting
            far_end.play(recording, rate, repeat=repeat)
        return port

    def close(self) -> None:
        """Hang up the serial ports; may be called twice."""
        for far_end in self._ports.values():
            far_end.close()

    # --- the driving side ----------------------------------------------------------------------

    def drive(self, target: str, **values: Value) -> None:
        """Change what the outside world does to `target`; values may be text.

        A line: `level=0|1|none`. An I2C device: what it measures (`temperature=30.5`),
        `fail=nak|timeout|error` with `times=1`, `present=0|1`. A serial port: `send=TEXT`, or
        `play=FILE` with `rate=960` (bytes a second) and `repeat=0|1`.
        Raises DriveError naming the target or the value that is wrong.
        """
        if not values:
            raise DriveError(f"{target}: nothing to drive; give name=value")
        if target in self._pins:
            self._drive_line(target, values)
        elif target in self._ports:
            self._drive_port(target, values)
        else:
            self._drive_device(target, values)
        self._notify(target)

    def observe(self) -> Snapshot:
        """What every target does now, by the names that `drive` takes."""
        with self._lock:
            found: dict[str, State] = {name: _line_state(pin) for name, pin in self._pins.items()}
            for sockets in self._buses.values():
                for socket in sockets.values():
                    found[socket.name] = DeviceState(
                        socket.device.values(), socket.present, socket.transactions
                    )
        for name, far_end in self._ports.items():
            found[name] = PortState(far_end.path, far_end.received, far_end.sent)
        return found

    def line(self, name: str) -> LineState:
        """What one pin does now."""
        with self._lock:
            if name not in self._pins:
                raise DriveError(f"no line {name!r}; there are: {', '.join(self._pins)}")
            return _line_state(self._pins[name])

    def changes(self) -> list[Change]:
        """What owners did to pins, oldest first; the newest CHANGES_LIMIT of them."""
        with self._lock:
            return list(self._changes)

    def wait_for(self, condition: Callable[[Snapshot], bool], timeout: float) -> bool:
        """Wait until `condition` of `observe()` holds; False when `timeout` seconds passed."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self.observe()), timeout)

    def _drive_line(self, target: str, values: Mapping[str, Value]) -> None:
        _expect(target, values, {"level"})
        level = values["level"]
        with self._lock:
            floating = isinstance(level, str) and level.lower() == "none"
            driven = None if floating else _flag(target, "level", level)
            self._pins[target].drive(level=driven)

    def _drive_device(self, target: str, values: Mapping[str, Value]) -> None:
        with self._lock:
            socket = self._socket(target)
            for name, value in values.items():
                if name == "present":
                    socket.present = _flag(target, name, value)
                elif name == "fail":
                    times = _number(target, "times", values.get("times", 1))
                    socket.fail(_fault(target, value), int(times))
                elif name != "times":
                    try:
                        socket.device.drive(name, _number(target, name, value))
                    except DriveError as wrong:
                        raise DriveError(f"{target}: {wrong}") from None

    def _drive_port(self, target: str, values: Mapping[str, Value]) -> None:
        far_end = self._ports[target]
        if "send" in values:
            _expect(target, values, {"send"})
            far_end.send(str(values["send"]).encode())
            return
        _expect(target, values, {"play"}, {"rate", "repeat"})
        try:
            recording = Path(str(values["play"])).read_bytes()
        except OSError as fault:
            raise DriveError(f"{target}: play: {fault}") from fault
        rate = _number(target, "rate", values.get("rate", DEFAULT_RATE))
        if rate <= 0:
            raise DriveError(f"{target}: rate={rate:g} must be above 0 bytes a second")
        repeat = _flag(target, "repeat", values.get("repeat", False))
        far_end.play(recording, rate, repeat=repeat)

    def _socket(self, target: str) -> Socket:
        try:
            bus, address = parse_device_name(target)
            return self._buses[bus][address]
        except (ValueError, KeyError):
            known = ", ".join(sorted(self.observe())) or "none"
            raise DriveError(f"nothing named {target!r} to drive; there are: {known}") from None

    def _far_end(self, name: str) -> FarEnd:
        if name not in self._ports:
            raise DriveError(f"no serial port {name!r}; there are: {', '.join(self._ports)}")
        return self._ports[name]

    def _line_changed(self, name: str) -> None:
        self._changes.append(Change(clock.monotonic_ns(), name, _line_state(self._pins[name])))
        self._notify(name)

    def _notify(self, _target: str) -> None:
        with self._changed:
            self._changed.notify_all()


def standard_board() -> SimBoard:
    """The board one gets without a board file: GPIO0-27, two sensors on i2c-1, serial0."""
    board = SimBoard()
    for number in range(28):
        board.add_line(f"GPIO{number}")
    board.add_device("i2c-1", 0x48, "tmp105")
    board.add_device("i2c-1", 0x76, "bme280")
    board.add_port("serial0")
    return board


def _line_state(pin: Pin) -> LineState:
    return LineState(pin.level, pin.owner.config.direction if pin.owner else None)


def _expect(
    target: str,
    values: Mapping[str, Value],
    required: set[str],
    optional: set[str] | None = None,
) -> None:
    allowed = required | (optional or set())
    wrong = sorted(set(values) - allowed) or sorted(required - set(values))
    if wrong:
        raise DriveError(f"{target}: {wrong[0]}: takes {', '.join(sorted(allowed))}")


def _number(target: str, name: str, value: Value) -> float:
    try:
        return float(value)
    except ValueError:
        raise DriveError(f"{target}: {name}={value!r} is not a number") from None


def _flag(target: str, name: str, value: Value) -> bool:
    flags = {"0": False, "false": False, "low": False, "1": True, "true": True, "high": True}
    flag = flags.get(str(value).lower())
    if flag is None:
        raise DriveError(f"{target}: {name}={value!r} is neither 0 nor 1")
    return flag


def _fault(target: str, value: Value) -> Fault:
    try:
        return Fault(value)
    except ValueError:
        known = ", ".join(fault.value for fault in Fault)
        raise DriveError(f"{target}: fail={value!r} is none of {known}") from None
