"""The bootloader's core, compiled for this machine: the same C that runs on the microcontroller.

`Chip` is one with flash in memory: it can be started, and its power cut at any write. `Slots` is what
the firmware's module `slots` is on a port, so `firmware.device.update` runs on it unchanged. A `part` is
the port whose map of flash and whose programs it has.
"""

import ctypes
import errno
import hashlib
import os
import subprocess
from enum import IntEnum
from functools import cache
from pathlib import Path

from boards.firmware import flash_map
from boards.image.tools import need
from boards.micropython import locked
from tests.support.system import ROOT

HERE = Path(__file__).parent
BOOT = ROOT / "firmware/boot"
SECTOR = 4096
FLASH = 4 << 20
"""Bytes of either part's that are looked at."""
NOBODY = 0xFF
_MPS2 = flash_map("mps2")
SLOTS_AT, SLOT_BYTES = _MPS2["MAP_SLOTS"], _MPS2["MAP_SLOT_BYTES"]


class Cause(IntEnum):
    POWER = 1
    RESET = 2
    WATCHDOG = 3
    FAULT = 4


class Version(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint8),
        ("minor", ctypes.c_uint8),
        ("revision", ctypes.c_uint16),
        ("build", ctypes.c_uint32),
    )

    def __str__(self) -> str:
        build = f"+{self.build}" if self.build else ""
        return f"{self.major}.{self.minor}.{self.revision}{build}"


Digest = ctypes.c_uint8 * 32


class Image(ctypes.Structure):
    _fields_ = (
        ("version", Version),
        ("load", ctypes.c_uint32),
        ("begin", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("total", ctypes.c_uint32),
        ("digest", Digest),
        ("board", ctypes.c_char * 25),
    )


class State(ctypes.Structure):
    _fields_ = (
        ("magic", ctypes.c_uint32),
        ("sequence", ctypes.c_uint32),
        ("active", ctypes.c_uint8),
        ("pending", ctypes.c_uint8),
        ("tries", ctypes.c_uint8),
        ("failure", ctypes.c_uint8),
        ("given_up", ctypes.c_uint8),
        ("why", ctypes.c_uint8),
        ("rollbacks", ctypes.c_uint16),
        ("pending_version", Version),
        ("back_version", Version),
        ("pending_digest", Digest),
        ("back_digest", Digest),
        ("crc", ctypes.c_uint32),
    )


class Boot(ctypes.Structure):
    _fields_ = (
        ("state", State),
        ("slot", ctypes.c_int),
        ("image", Image),
        ("guarded", ctypes.c_bool),
        ("installed", ctypes.c_bool),
    )


@cache
def library(part: str = "mps2") -> ctypes.CDLL:
    """Compiled once for the same source; warnings are errors, and so is undefined behaviour."""
    of_part = [BOOT / part / "machine.h", BOOT / part / "map.h"]
    sources = [*sorted(BOOT.glob("*.[ch]")), *of_part, HERE / "nor_host.c"]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()
    made = ROOT / ".cache/boards/boot-core" / f"{digest[:24]}.so"
    made.parent.mkdir(parents=True, exist_ok=True)
    with locked(made.parent):
        if not made.is_file():
            need({"gcc": "gcc"}, print)
            fresh = made.with_suffix(f".{os.getpid()}")
            command = ["gcc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
            command += ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
            command += [f"-I{BOOT}", f"-I{BOOT / part}", "-o", str(fresh)]
            command += [str(file) for file in sources if file.suffix == ".c"]
            subprocess.run(command, check=True)
            fresh.rename(made)
    return ctypes.CDLL(str(made))


class Chip:
    """One of a part at a time: the core's flash is a global of it."""

    def __init__(self, flash: bytes | None = None, part: str = "mps2") -> None:
        self.core = library(part)
        self.map = flash_map(part)
        self._flash = (ctypes.c_uint8 * FLASH).in_dll(self.core, "host_flash")
        self.restore(flash if flash is not None else bytes(FLASH))
        self.started = 0
        self.wear(None)

    @property
    def flash(self) -> bytes:
        return bytes(self._flash)

    def restore(self, flash: bytes) -> None:
        """Put other content into flash, with the power on."""
        ctypes.memmove(self._flash, flash, FLASH)
        self.power(None)

    def power(self, writes: int | None, torn: int = 0) -> None:
        """Have the power go after `torn` bytes of that write from now on; None: it stays."""
        ctypes.c_long.in_dll(self.core, "host_left").value = -1 if writes is None else writes
        ctypes.c_uint32.in_dll(self.core, "host_torn").value = torn

    @property
    def writes(self) -> int:
        """All so far, those without power included."""
        return ctypes.c_long.in_dll(self.core, "host_writes").value

    def put(self, slot: int, data: bytes) -> None:
        """An image into a slot, by a programmer."""
        whole = bytearray(self.flash)
        size = self.map["MAP_SLOT_BYTES"]
        at = self.map["MAP_SLOTS"] + slot * size
        whole[at : at + size] = data.ljust(size, b"\xff")
        self.restore(bytes(whole))

    def start(self, cause: Cause = Cause.POWER, first: bytes = b"") -> Boot:
        """What the bootloader decides."""
        boot = Boot()
        self.core.boot_decide(ctypes.byref(boot), int(cause), first or None, len(first))
        if boot.slot >= 0:
            self.started = boot.slot
        return boot

    def place(self, boot: Boot) -> bool:
        """Have what was decided where it is run, on a part that executes from flash."""
        self.core.boot_place.restype = ctypes.c_bool
        placed: bool = self.core.boot_place(ctypes.byref(boot))
        return placed

    def wear(self, at: int | None) -> None:
        """Have the sector at an address hold nothing any more; None: all do."""
        ctypes.c_long.in_dll(self.core, "host_worn").value = -1 if at is None else at

    @property
    def started(self) -> int:
        """The slot."""
        return ctypes.c_uint.in_dll(self.core, "host_started").value

    @started.setter
    def started(self, slot: int) -> None:
        ctypes.c_uint.in_dll(self.core, "host_started").value = slot

    def state(self) -> State:
        state = State()
        self.core.state_load(ctypes.byref(state))
        return state


class Slots:
    """As `firmware/ports/shared/port_slots.c` has it, on a `Chip`."""

    SECTOR = SECTOR

    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self._core = chip.core
        self.BYTES = chip.map["MAP_SLOT_BYTES"] - SECTOR

    def state(self) -> tuple[int, int, int, bool, int, int, str, bytes]:
        state = self._chip.state()
        self._core.slots_on_trial.restype = ctypes.c_bool
        return (
            state.active,
            -1 if state.pending == NOBODY else state.pending,
            self._chip.started,
            self._core.slots_on_trial(ctypes.byref(state)),
            state.why,
            state.rollbacks,
            str(state.back_version),
            bytes(state.back_digest),
        )

    def image(self, slot: int) -> tuple[int, str, bytes]:
        image = Image()
        fault = self._core.slots_told(slot, ctypes.byref(image))
        return fault, str(image.version), bytes(image.digest)

    def read(self, slot: int, offset: int, length: int) -> bytes:
        at = self._chip.map["MAP_SLOTS"] + slot * self._chip.map["MAP_SLOT_BYTES"] + offset
        return self._chip.flash[at : at + length]

    def erase(self, slot: int, offset: int) -> None:
        self._check(self._core.slots_erase(slot, offset))

    def program(self, slot: int, offset: int, data: bytes | memoryview) -> None:
        self._check(self._core.slots_program(slot, offset, bytes(data), len(data)))

    def mark(self, slot: int) -> None:
        self._check(self._core.slots_mark(slot))

    def confirm(self) -> None:
        self._check(self._core.slots_confirm())

    def give_up(self, why: int) -> None:
        self._check(self._core.slots_give_up(why))

    def _check(self, fault: int) -> None:
        if fault:
            raise OSError((0, errno.EINVAL, errno.EBUSY, errno.EIO, errno.ENOENT)[fault])
