"""The bootloader's core, compiled for this machine: the same C that runs on the microcontroller.

`Chip` is one with flash in memory: it can be started, and its power cut at any write. `Slots` is what
the firmware's module `slots` is on a port, so `firmware.device.update` runs on it unchanged.
"""

import ctypes
import errno
import hashlib
import os
import subprocess
from enum import IntEnum
from functools import cache
from pathlib import Path

from boards.image.tools import need
from boards.micropython import locked
from tests.support.system import ROOT

HERE = Path(__file__).parent
BOOT = ROOT / "firmware/boot"
SECTOR = 4096
SLOT_BYTES = 1 << 20
IMAGE_BYTES = SLOT_BYTES - SECTOR
SLOTS_AT = 2 << 20
FLASH = 4 << 20
NOBODY = 0xFF


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


class Slot(ctypes.Structure):
    _fields_ = (("fault", ctypes.c_int), ("image", Image))


class Boot(ctypes.Structure):
    _fields_ = (
        ("state", State),
        ("slots", Slot * 2),
        ("slot", ctypes.c_int),
        ("guarded", ctypes.c_bool),
        ("installed", ctypes.c_bool),
    )


@cache
def library() -> ctypes.CDLL:
    """Compiled once for the same source; warnings are errors, and so is undefined behaviour."""
    sources = [*sorted(BOOT.glob("*.[ch]")), HERE / "nor_host.c"]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()
    made = ROOT / ".cache/boards/boot-core" / f"{digest[:24]}.so"
    made.parent.mkdir(parents=True, exist_ok=True)
    with locked(made.parent):
        if not made.is_file():
            need({"gcc": "gcc"}, print)
            part = made.with_suffix(f".{os.getpid()}")
            command = ["gcc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
            command += ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
            command += [f"-I{BOOT}", "-o", str(part)]
            command += [str(file) for file in sources if file.suffix == ".c"]
            subprocess.run(command, check=True)
            part.rename(made)
    return ctypes.CDLL(str(made))


class Chip:
    """One at a time: the core's flash is a global of it."""

    def __init__(self, flash: bytes | None = None) -> None:
        self._core = library()
        self._flash = (ctypes.c_uint8 * FLASH).in_dll(self._core, "host_flash")
        self.restore(flash if flash is not None else bytes(FLASH))
        self.started = 0

    @property
    def flash(self) -> bytes:
        return bytes(self._flash)

    def restore(self, flash: bytes) -> None:
        """Put other content into flash, with the power on."""
        ctypes.memmove(self._flash, flash, FLASH)
        self.power(None)

    def power(self, writes: int | None, torn: int = 0) -> None:
        """Have the power go after `torn` bytes of that write from now on; None: it stays."""
        ctypes.c_long.in_dll(self._core, "host_left").value = -1 if writes is None else writes
        ctypes.c_uint32.in_dll(self._core, "host_torn").value = torn

    @property
    def writes(self) -> int:
        """All so far, those without power included."""
        return ctypes.c_long.in_dll(self._core, "host_writes").value

    def put(self, slot: int, data: bytes) -> None:
        """An image into a slot, by a programmer."""
        whole = bytearray(self.flash)
        at = SLOTS_AT + slot * SLOT_BYTES
        whole[at : at + SLOT_BYTES] = data.ljust(SLOT_BYTES, b"\xff")
        self.restore(bytes(whole))

    def start(self, cause: Cause = Cause.POWER, first: bytes = b"") -> Boot:
        """What the bootloader decides."""
        boot = Boot()
        self._core.boot_decide(ctypes.byref(boot), int(cause), first or None, len(first))
        if boot.slot >= 0:
            self.started = boot.slot
        return boot

    @property
    def started(self) -> int:
        """The slot."""
        return ctypes.c_uint.in_dll(self._core, "host_started").value

    @started.setter
    def started(self, slot: int) -> None:
        ctypes.c_uint.in_dll(self._core, "host_started").value = slot

    def state(self) -> State:
        state = State()
        self._core.state_load(ctypes.byref(state))
        return state


class Slots:
    """As `firmware/ports/mps2/port_slots.c` has it, on a `Chip`."""

    BYTES, SECTOR = IMAGE_BYTES, SECTOR

    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self._core = library()

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
        fault = self._core.slots_image(slot, ctypes.byref(image))
        return fault, str(image.version), bytes(image.digest)

    def read(self, slot: int, offset: int, length: int) -> bytes:
        at = SLOTS_AT + slot * SLOT_BYTES + offset
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
