"""Board files: TOML that says which lines, buses and ports a board has, simulated or real.

docs/hal.md describes the format. Every mistake is a BoardFileError that names the key.
"""

import re
import tomllib
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from msgspec import Meta, Struct, ValidationError, convert, field

from hal.board import Board
from hal.errors import BoardFileError, DriveError, HalError
from hal.linux.gpio import LinePlace

if TYPE_CHECKING:
    from hal.sim import SimBoard

FILE_LIMIT = 256 << 10
"""Bytes of a board file; one with every pin of a large board is under 16 KiB."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Kind(Enum):
    """Who answers for a part."""

    SIM = "sim"
    LINUX = "linux"


class GpioEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[gpio.NAME]`."""

    kind: Kind | None = None
    level: Annotated[int, Meta(ge=0, le=1)] | bool | None = None
    """sim: what the outside drives; absent, the pin floats."""
    chip: str | None = None
    """linux: node (`gpiochip0`) or label of the chip."""
    line: int | str | None = None
    """linux: offset or name on the chip."""


class DeviceEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[i2c.NAME.devices]]`."""

    model: str
    address: int
    values: dict[str, float] = field(default_factory=dict[str, float])


class BusEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[i2c.NAME]`."""

    kind: Kind | None = None
    devices: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """sim only."""
    device: str | None = None
    """linux: the bus's node; `/dev/NAME` when absent."""


class SerialEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[serial.NAME]`."""

    kind: Kind | None = None
    play: str | None = None
    """sim: a recording beside the board file, played whenever the port is opened."""
    rate: Annotated[float, Meta(gt=0)] = 960.0
    """Bytes a second."""
    repeat: bool = False
    device: str | None = None
    """linux: the port's node."""


class McuEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """`[mcu.NAME]`: a microcontroller with our firmware on a serial line."""

    device: str | None = None
    """The port's node; without it, it is looked for by what USB knows of it."""
    usb: str | None = None
    """Vendor and product: `2e8a:000a`."""
    serial_number: str | None = None
    baudrate: Annotated[int, Meta(ge=1200, le=4_000_000)] = 115_200
    """Of a UART; USB has none."""
    config: dict[str, Any] | None = None
    """What it shall do by itself; docs/firmware.md says what there is. Absent: what it holds stays."""


class BoardFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file; `kind` is that of parts that name none."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "board"
    kind: Kind = Kind.SIM
    gpio: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    i2c: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    serial: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    mcu: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    test: dict[str, Any] = field(default_factory=dict[str, Any])
    """Of `skerry app test`; a board has no use for it."""


def load_board(path: Path) -> Board:
    """The board that a file describes; a DrivenBoard when any part of it is simulated."""
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise BoardFileError(f"{path}: {fault.strerror}") from fault
    if len(data) > FILE_LIMIT:
        raise BoardFileError(f"{path}: {len(data)} bytes; a board file has at most {FILE_LIMIT}")
    try:
        tables = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise BoardFileError(f"{path}: not TOML: {fault}") from fault
    try:
        return make_board(tables, path.parent)
    except BoardFileError as fault:
        raise BoardFileError(f"{path}: {fault}") from fault


def make_board(tables: Mapping[str, Any], directory: Path) -> Board:
    """The board of a parsed file; recordings are looked for in `directory`."""
    file = _checked(tables, BoardFile, "")
    gpio = {name: _entry(raw, GpioEntry, "gpio", name) for name, raw in file.gpio.items()}
    buses = {name: _entry(raw, BusEntry, "i2c", name) for name, raw in file.i2c.items()}
    ports = {name: _entry(raw, SerialEntry, "serial", name) for name, raw in file.serial.items()}
    mcus = {name: _entry(raw, McuEntry, "mcu", name) for name, raw in file.mcu.items()}
    _refuse_duplicates([*gpio, *buses, *ports])
    for name in (*gpio, *buses, *ports):
        if name.partition(".")[0] in mcus:
            raise BoardFileError(f"{name}: a name that begins so is of mcu.{name.split('.')[0]}")
    builder = _Builder(file, directory)
    for name, line in gpio.items():
        builder.add_line(name, line)
    for name, bus in buses.items():
        builder.add_bus(name, bus)
    for name, port in ports.items():
        builder.add_port(name, port)
    return _with_attached(builder.board(), mcus)


def _with_attached(own: Board, mcus: Mapping[str, McuEntry]) -> Board:
    """The board with its microcontrollers."""
    if not mcus:
        return own
    from hal.composite import Part, composite  # noqa: PLC0415 - most boards have none
    from hal.link.attach import attached  # noqa: PLC0415
    from hal.link.find import Where  # noqa: PLC0415

    parts = [Part.of(own)]
    for name, entry in mcus.items():
        device = None if entry.device is None else Path(entry.device)
        try:
            board = attached(
                name, Where(device, entry.usb, entry.serial_number), entry.baudrate, entry.config
            )
        except BoardFileError as fault:
            for part in parts:
                part.board.close()
            raise BoardFileError(f"mcu.{name}.{fault}") from fault
        parts.append(Part(board, board.owns))
    return composite(own.name, parts)


class _Builder:
    """Collects the parts of both kinds; the library of a kind is imported with its first part."""

    def __init__(self, file: BoardFile, directory: Path) -> None:
        self._file = file
        self._directory = directory
        self._sim: SimBoard | None = None
        self._lines: dict[str, LinePlace] = {}
        self._buses: dict[str, Path] = {}
        self._ports: dict[str, Path] = {}

    def add_line(self, name: str, entry: GpioEntry) -> None:
        key = f"gpio.{name}"
        if self._kind(entry.kind) is Kind.SIM:
            _refuse(key, "sim", chip=entry.chip, line=entry.line)
            level = None if entry.level is None else bool(entry.level)
            self._simulated().add_line(name, level=level)
            return
        _refuse(key, "linux", level=entry.level)
        if entry.chip is None:
            raise BoardFileError(f"{key}.chip: missing; give the chip's node or label")
        line = name if entry.line is None else entry.line
        self._lines[name] = LinePlace(entry.chip, line)

    def add_bus(self, name: str, entry: BusEntry) -> None:
        key = f"i2c.{name}"
        if self._kind(entry.kind) is Kind.LINUX:
            _refuse(key, "linux", devices=entry.devices or None)
            self._buses[name] = Path(entry.device or f"/dev/{name}")
            return
        _refuse(key, "sim", device=entry.device)
        board = self._simulated()
        board.add_bus(name)
        taken: set[int] = set()
        for number, raw in enumerate(entry.devices):
            where = f"{key}.devices[{number}]"
            device = _checked(raw, DeviceEntry, where)
            if device.address in taken:
                raise BoardFileError(f"{where}.address: 0x{device.address:02x} is taken")
            taken.add(device.address)
            _add_device(board, name, device, where)

    def add_port(self, name: str, entry: SerialEntry) -> None:
        key = f"serial.{name}"
        if self._kind(entry.kind) is Kind.LINUX:
            _refuse(key, "linux", play=entry.play)
            if entry.device is None:
                raise BoardFileError(f"{key}.device: missing; give the port's node, /dev/ttyUSB0")
            self._ports[name] = Path(entry.device)
            return
        _refuse(key, "sim", device=entry.device)
        board = self._simulated()
        board.add_port(name)
        if entry.play is None:
            return
        try:
            recording = (self._directory / entry.play).read_bytes()
        except OSError as fault:
            raise BoardFileError(f"{key}.play: {entry.play}: {fault.strerror}") from fault
        board.play_when_opened(name, recording, entry.rate, repeat=entry.repeat)

    def board(self) -> Board:
        has_linux = bool(self._lines or self._buses or self._ports)
        if not has_linux and (self._sim is not None or self._file.kind is Kind.SIM):
            return self._simulated()
        from hal.linux.board import LinuxBoard, LinuxConfig, discover  # noqa: PLC0415

        name = self._file.name
        if not has_linux:
            return LinuxBoard(discover(name))
        linux = LinuxBoard(LinuxConfig(name, self._lines, self._buses, self._ports))
        if self._sim is None:
            return linux
        from hal.composite import Part, composite  # noqa: PLC0415

        return composite(name, [Part.of(self._sim), Part.of(linux)])

    def _kind(self, kind: Kind | None) -> Kind:
        return kind or self._file.kind

    def _simulated(self) -> "SimBoard":
        from hal.sim import SimBoard  # noqa: PLC0415

        if self._sim is None:
            self._sim = SimBoard(self._file.name)
        return self._sim


def _add_device(board: "SimBoard", bus: str, device: DeviceEntry, where: str) -> None:
    try:
        board.add_device(bus, device.address, device.model)
    except DriveError as fault:
        raise BoardFileError(f"{where}.model: {fault}") from fault
    except HalError as fault:
        raise BoardFileError(f"{where}.address: {fault}") from fault
    try:
        if device.values:
            board.drive(f"{bus}:{device.address:#x}", **device.values)
    except DriveError as fault:
        raise BoardFileError(f"{where}.values: {fault}") from fault


T = TypeVar("T")


def _checked(raw: object, shape: type[T], key: str) -> T:
    try:
        return convert(raw, shape)
    except ValidationError as fault:
        text, _, at = str(fault).partition(" - at `$")
        place = (key + at.rstrip("`")).lstrip(".")
        raise BoardFileError(f"{place}: {text}" if place else text) from fault


def _entry(raw: object, shape: type[T], section: str, name: str) -> T:
    if not _NAME.fullmatch(name):
        raise BoardFileError(
            f"{section}.{name!r}: a name has letters, digits, '.', '_' and '-', at most 64"
        )
    return _checked(raw, shape, f"{section}.{name}")


def _refuse(key: str, kind: str, **entries: object) -> None:
    for name, value in entries.items():
        if value is not None:
            raise BoardFileError(f"{key}.{name}: has no meaning for kind {kind!r}")


def _refuse_duplicates(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise BoardFileError(f"{name}: names two parts; a grant could not tell them apart")
