"""A Raspberry Pi Pico in rp2040js, with its flash in a file, its cables as sockets, its pins in reach.

rp2040js is npm's, pinned by integrity in `rp2040/package-lock.json` and installed into the cache.
"""

import hashlib
import json
import os
import pty
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import tty as ttys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from boards import uf2
from boards.firmware import firmware
from boards.image.tools import need
from boards.micropython import locked
from tests.support.boot_core import FLASH, SECTOR, Chip
from tests.support.mcu import CACHE, Prompt, door
from tests.support.system import ROOT

SOURCE = ROOT / "tests/support/rp2040"
UNIQUE = "e660583883724a31"
FLASH_BYTES = 2 << 20
PATIENCE = 120.0
"""Seconds for an event; the emulator takes some for what the chip does in one."""


class Pico:
    """One that is on; made by `pico`."""

    def __init__(
        self, console: socket.socket, link: socket.socket, control: socket.socket
    ) -> None:
        self.console = Prompt(console)
        """Its first serial port over USB: MicroPython's prompt."""
        self.link = link
        """Its second, a stream."""
        self._lines = control.makefile("rw")
        self._events: list[str] = []

    def wait_for(self, event: str) -> None:
        """Return when it has happened: "usb" (a computer has taken it into use), "reset", "bootloader", "dark"."""
        while event not in self._events:
            self._heard()
        self._events.remove(event)

    def level(self, pin: int) -> tuple[int, bool]:
        """What a pin puts out, and whether it is driven, as seen from outside."""
        said = self._ask(pin=pin)
        return said["level"], said["driven"]

    def pull(self, pin: int) -> str:
        """The resistor that is switched on there: up, down or none ("")."""
        return self._ask(pin=pin)["pull"]

    def drive(self, pin: int, level: int) -> None:
        """From outside."""
        self._ask(pin=pin, level=level)

    def convert(self, channel: int, value: int) -> None:
        """What an analogue input sees from now on, of 4095."""
        self._ask(adc=channel, value=value)

    def watch(self, pin: int, ms: int) -> tuple[int, float]:
        """How often it rose and which share of the time it was high, in some of the Pico's time."""
        said = self._ask(watch=pin, ms=ms)
        return said["rises"], said["high"]

    def touch(self, port: int, baud: int) -> None:
        """Open a serial port at a speed, and close it."""
        self._ask(open=port, baud=baud)
        self._ask(open=port, baud=0, at=baud)

    def usb(self) -> dict[str, Any]:
        """What it said of itself to the computer."""
        return self._ask(usb=True)

    def _ask(self, **asked: Any) -> dict[str, Any]:
        self._lines.write(json.dumps(asked) + "\n")
        self._lines.flush()
        while True:
            found = self._heard()
            if found is not None:
                return found

    def _heard(self) -> dict[str, Any] | None:
        line = self._lines.readline()
        assert line, "the emulator is gone"
        said: dict[str, Any] = json.loads(line)
        if "event" not in said:
            return said
        self._events.append(said["event"])
        return None


@contextmanager
def pico(
    flash: Path,
    *,
    unique: str = UNIQUE,
    drive: Path | None = None,
    cut: tuple[int, int] | None = None,
) -> Iterator[Pico]:
    """One that was just plugged in; leaving it pulls the plug. `flash` is made when it is not there.

    `cut`: the write to flash in which its power goes, and the bytes of it that are done; "dark" then.
    """
    drive = drive or firmware("pico", CACHE, print)
    emulator = _emulator()
    with (
        tempfile.TemporaryDirectory(prefix="pico-") as place,
        door(Path(place) / "console") as console,
        door(Path(place) / "link") as link,
        door(Path(place) / "control") as control,
    ):
        process = subprocess.Popen(
            ["node", emulator, drive, flash, unique, place, *map(str, cut or ())],
            stdin=subprocess.DEVNULL,
        )
        try:
            with (
                console.accept()[0] as talk,
                link.accept()[0] as line,
                control.accept()[0] as orders,
            ):
                orders.settimeout(PATIENCE)
                yield Pico(talk, line, orders)
        finally:
            process.kill()
            process.wait()


@contextmanager
def tty(line: socket.socket) -> Iterator[str]:
    """A terminal that leads to a socket."""
    ours, theirs = pty.openpty()
    ttys.setraw(theirs)
    ended = threading.Event()

    def carry() -> None:
        while not ended.is_set():
            for ready in select.select([ours, line], [], [], 0.05)[0]:
                if ready is line:
                    os.write(ours, line.recv(4096))
                else:
                    line.sendall(os.read(ours, 4096))

    carrier = threading.Thread(target=carry)
    carrier.start()
    try:
        yield os.ttyname(theirs)
    finally:
        ended.set()
        carrier.join()
        os.close(ours)
        os.close(theirs)


def burnt(flash: bytes, uf2_file: bytes) -> bytes:
    """Flash as the Pico's drive leaves it: the sectors that a UF2 file has are erased and written."""
    made = bytearray(flash)
    erased: set[int] = set()
    for at in range(0, len(uf2_file), uf2.BLOCK):
        to = int.from_bytes(uf2_file[at + 12 : at + 16], "little") - uf2.RP2040_FLASH
        sector = to // SECTOR * SECTOR
        if sector not in erased:
            erased.add(sector)
            made[sector : sector + SECTOR] = b"\xff" * SECTOR
        made[to : to + uf2.PAYLOAD] = uf2_file[at + 32 : at + 32 + uf2.PAYLOAD]
    return bytes(made)


def flashed(flash: Path) -> Path:
    """One that was flashed with the firmware and started once, by the bootloader's core on this machine."""
    drive = firmware("pico", CACHE, print).read_bytes()
    chip = Chip(burnt(b"\xff" * FLASH, drive), "pico")
    assert chip.place(chip.start())
    flash.write_bytes(chip.flash[:FLASH_BYTES])
    return flash


def _emulator() -> Path:
    """The program with what it needs beside it; made once for the same content."""
    files = sorted(SOURCE.iterdir())
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    made = CACHE.absolute() / "rp2040" / digest[:16]
    made.parent.mkdir(parents=True, exist_ok=True)
    with locked(made.parent):
        if not made.is_dir():
            need({"node": "nodejs", "npm": "npm"}, print)
            with tempfile.TemporaryDirectory(dir=made.parent) as work:
                place = Path(work) / "emulator"
                shutil.copytree(SOURCE, place)
                subprocess.run(
                    ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                    cwd=place,
                    check=True,
                    capture_output=True,
                )
                place.rename(made)
    return made / "emulator.mjs"
