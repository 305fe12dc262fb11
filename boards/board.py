"""A board is data: what `boards/*.toml` may say, and the loader.

docs/boards.md explains each key. Every mistake is a BoardFileError that names file and key.
Sections `gpio`, `i2c` and `serial` have the keys of the agent's own board file (docs/hal.md).
"""

import hashlib
import tomllib
from collections.abc import Iterable, Sequence
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, TypeVar

from msgspec import Meta, Struct, ValidationError, convert, field

from boards.errors import BoardFileError, UnknownBoardError

HERE = Path(__file__).parent
FILE_LIMIT = 256 << 10
"""Bytes of a board file; one with every pin of a large board is under 16 KiB."""
MIB = 1 << 20
MBR_LIMIT = 2 << 40
"""Bytes that an MBR can address: 2^32 sectors of 512."""

Text = Annotated[str, Meta(min_length=1, max_length=200)]
Count = Annotated[int, Meta(ge=1)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Architecture(Enum):
    """What the board's programs are compiled for."""

    AARCH64 = "aarch64"


class PartitionKind(Enum):
    """What lies in a partition."""

    FAT = "fat"
    SQUASHFS = "squashfs"
    EXT4 = "ext4"

    @property
    def mbr_type(self) -> int:
        """Type byte in the partition table: FAT32 with LBA, or Linux."""
        return 0x0C if self is PartitionKind.FAT else 0x83


class Role(Enum):
    """The four partitions of every image, in this order."""

    BOOT = "boot"
    SLOT_A = "slot-a"
    SLOT_B = "slot-b"
    DATA = "data"


class Disk(Enum):
    """How an emulated board gets its disk."""

    SD = "sd"
    VIRTIO = "virtio"


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """What every table of a board file has in common."""


class Kernel(Section, frozen=True, kw_only=True):
    """`[kernel]`: Debian packages of the board's architecture."""

    package: Name
    suite: Name
    device_trees: list[Text]
    """Paths below the package's directory of device trees; empty when the machine brings one.

    QEMU is handed the first.
    """
    firmware: Name | None = None
    """Package with what the board itself loads before the kernel."""
    modules: list[Name] = field(default_factory=list[str])
    """Kernel modules that this board needs beyond those of its kind."""


class Console(Section, frozen=True, kw_only=True):
    """`[console]`: where the kernel and a person talk."""

    device: Name
    baud: Annotated[int, Meta(ge=1200, le=4_000_000)] = 115_200


class Wifi(Section, frozen=True, kw_only=True):
    """`[wifi]`: what a board with Wi-Fi needs for it."""

    modules: Annotated[list[Name], Meta(min_length=1)]
    """Kernel modules; loaded once the slot with the radio's firmware is there."""
    on_demand: list[Name] = field(default_factory=list[str])
    """Modules that those ask the kernel for."""
    firmware: Name | None = None
    """Package with what the radio itself runs."""
    firmware_files: list[Text] = field(default_factory=list[str])
    """Patterns below the package's directory of firmware."""


class Line(Section, frozen=True, kw_only=True):
    """A value of `[gpio]`."""

    chip: Text
    """Label of the chip: its number changes with the kernel, its label does not."""
    line: Annotated[int, Meta(ge=0, le=1023)]


class Node(Section, frozen=True, kw_only=True):
    """A value of `[i2c]` or `[serial]`."""

    device: Annotated[str, Meta(pattern=r"^/dev/[A-Za-z0-9/._-]{1,100}$")]


class Partition(Section, frozen=True, kw_only=True):
    """An item of `[[layout.partitions]]`."""

    role: Role
    kind: PartitionKind
    size_mib: Count
    grows: bool = False
    """Grown on first boot to the end of the card; the last partition only."""


class Place(Struct, frozen=True):
    """Where a partition lies, in bytes."""

    partition: Partition
    start: int
    length: int


class Layout(Section, frozen=True, kw_only=True):
    """`[layout]`: an MBR; the partitions follow one another without gaps."""

    start_mib: Count
    """Where the first partition begins; also what every partition is a multiple of."""
    partitions: list[Partition]

    def places(self) -> Sequence[Place]:
        """Every partition with its place."""
        places: list[Place] = []
        at = self.start_mib * MIB
        for partition in self.partitions:
            places.append(Place(partition, at, partition.size_mib * MIB))
            at += partition.size_mib * MIB
        return places

    @property
    def size(self) -> int:
        """Bytes of the whole image."""
        return (self.start_mib + sum(part.size_mib for part in self.partitions)) * MIB


class Qemu(Section, frozen=True, kw_only=True):
    """`[qemu]`: the machine that shows this board, and how much of it."""

    machine: Name
    version: Annotated[str, Meta(pattern=r"^\d+\.\d+$")]
    """Oldest QEMU that has what is listed here."""
    memory_mib: Count
    disk: Disk
    network: Name
    """QEMU's network device."""
    console: Name
    """The console's device in the guest; it may differ from the board's own."""
    device_tree_removes: list[Text] = field(default_factory=list[str])
    """Nodes to delete from the device tree because the machine lacks what they describe."""
    i2c: dict[Name, Text] = field(default_factory=dict[str, str])
    """Bus of the board → QEMU's bus, on which `-device tmp105,bus=…` is real to Linux."""
    gpio: Text | None = None
    """What of GPIO can be seen; absent: nothing."""
    serial: Text | None = None
    """How a second serial port is had; absent: it is not."""
    watchdog: Name | None = None
    """QEMU's watchdog device; absent: none."""


class Proof(Section, frozen=True, kw_only=True):
    """An item of `[[proven]]`: what was seen to happen, or never was, and where."""

    what: Text
    where: Text


class Board(Section, frozen=True, kw_only=True):
    """A whole board file."""

    title: Text
    models: list[Text]
    imager_devices: list[Name] = field(default_factory=list[str])
    """Tags by which Raspberry Pi Imager knows the models."""
    architecture: Architecture
    cpu: Name
    """QEMU's name of the core; compiled apps are for this one."""
    memory_mib: Count
    """Of the smallest model."""
    page_size: Annotated[int, Meta(ge=4096, le=65536)]
    kernel: Kernel
    console: Console
    wifi: Wifi | None = None
    """Absent: the board has none, or none that can be used."""
    gpio: dict[Name, Line] = field(default_factory=dict[str, Line])
    i2c: dict[Name, Node] = field(default_factory=dict[str, Node])
    serial: dict[Name, Node] = field(default_factory=dict[str, Node])
    layout: Layout
    qemu: Qemu | None = None
    """Absent: no machine of QEMU shows this board."""
    proven: Annotated[list[Proof], Meta(min_length=1)]


def names() -> Sequence[str]:
    """Boards that ship with Skerry."""
    return sorted(path.stem for path in HERE.glob("*.toml"))


def signature(name: str) -> bytes:
    """Four bytes in the partition table of every image, by which its board is known."""
    return hashlib.sha256(name.encode()).digest()[:4]


def board_of_signature(found: bytes) -> str | None:
    """The board that ships with Skerry whose images are signed so."""
    return next((name for name in names() if signature(name) == found), None)


def find_board(name: str) -> Board:
    """The board of that name, or of the file when `name` is a path that ends in `.toml`."""
    return load_board(board_path(name))


def board_path(name: str) -> Path:
    """The file that describes the board of that name; raises UnknownBoardError."""
    if name.endswith(".toml"):
        return Path(name)
    if name not in names():
        raise UnknownBoardError(
            f"no board {name!r}; there are {', '.join(names())}, or give a file: ./mine.toml"
        )
    return HERE / f"{name}.toml"


def load_board(path: Path) -> Board:
    """The board that a file describes."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_LIMIT + 1)
    except OSError as fault:
        raise BoardFileError(f"{path}: {fault.strerror}") from fault
    if len(data) > FILE_LIMIT:
        raise BoardFileError(f"{path}: a board file has at most {FILE_LIMIT} bytes")
    try:
        return parse_board(data.decode())
    except BoardFileError as fault:
        raise BoardFileError(f"{path}: {fault}") from fault
    except UnicodeDecodeError as fault:
        raise BoardFileError(f"{path}: not TOML: {fault}") from fault


def parse_board(text: str) -> Board:
    """The board that a text describes."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise BoardFileError(f"not TOML: {fault}") from fault
    for section, shape in _NAMED_PARTS.items():
        entries = tables.get(section, {})
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            _checked(entry, shape, f"{section}.{name}")
    board = _checked(tables, Board)
    _check_layout(board.layout)
    _check_parts(board)
    return board


def agent_board_file(board: Board, name: str) -> str:
    """What the agent on the board is given as `--board`: its lines, buses and ports, as TOML."""
    lines = [f'name = "{name}"', 'kind = "linux"']
    lines += _table(
        "gpio", ((n, f'chip = "{g.chip}", line = {g.line}') for n, g in board.gpio.items())
    )
    lines += _table("i2c", ((n, f'device = "{b.device}"') for n, b in board.i2c.items()))
    lines += _table("serial", ((n, f'device = "{p.device}"') for n, p in board.serial.items()))
    return "\n".join(lines) + "\n"


_NAMED_PARTS: dict[str, type[Section]] = {"gpio": Line, "i2c": Node, "serial": Node}
T = TypeVar("T")


def _checked(raw: object, shape: type[T], at: str = "") -> T:
    """`raw`, which stands at key `at`, as `shape`."""
    try:
        return convert(raw, shape)
    except ValidationError as fault:
        reason, _, path = str(fault).partition(" - at `")
        key = path.rstrip("`").removeprefix("key` in `").removeprefix("$")
        place = (at + key).lstrip(".")
        raise BoardFileError(f"{place}: {reason}" if place else reason) from fault


def _table(name: str, entries: Iterable[tuple[str, str]]) -> list[str]:
    lines = [f'"{key}" = {{ {value} }}' for key, value in entries]
    return ["", f"[{name}]", *lines] if lines else []


def _check_layout(layout: Layout) -> None:
    roles = [part.role for part in layout.partitions]
    if roles != list(Role):
        raise BoardFileError(
            f"layout.partitions: needs {', '.join(role.value for role in Role)}, in this order"
        )
    boot = layout.partitions[0]
    if boot.kind is not PartitionKind.FAT:
        raise BoardFileError("layout.partitions[0].kind: the boot partition is 'fat'")
    first, second = layout.partitions[1:3]
    if (first.kind, first.size_mib) != (second.kind, second.size_mib):
        raise BoardFileError("layout.partitions[2]: slots must be alike in kind and size-mib")
    for number, part in enumerate(layout.partitions):
        key = f"layout.partitions[{number}]"
        if part.size_mib % layout.start_mib:
            raise BoardFileError(
                f"{key}.size-mib: {part.size_mib} is no multiple of start-mib {layout.start_mib}"
            )
        if part.grows and part.role is not Role.DATA:
            raise BoardFileError(f"{key}.grows: only the data partition grows")
    if layout.size > MBR_LIMIT:
        raise BoardFileError("layout: an MBR ends at 2 TiB")


def _check_parts(board: Board) -> None:
    parts = sorted([*board.gpio, *board.i2c, *board.serial])
    for one, other in pairwise(parts):
        if one == other:
            raise BoardFileError(f"{one}: names two parts; a grant could not tell them apart")
    if board.page_size & (board.page_size - 1):
        raise BoardFileError(f"page-size: {board.page_size} is no power of two")
    if board.qemu is None:
        return
    for bus in board.qemu.i2c:
        if bus not in board.i2c:
            raise BoardFileError(f"qemu.i2c.{bus}: the board has no such bus in [i2c]")
    size = board.layout.size
    if board.qemu.disk is Disk.SD and size & (size - 1):
        raise BoardFileError(
            f"layout: {size // MIB} MiB; QEMU takes an SD card only of a power of two"
        )
