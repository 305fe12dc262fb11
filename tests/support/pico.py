"""A Raspberry Pi Pico in rp2040js, with its flash in a file, its cables as sockets, its pins in reach.

rp2040js is npm's, pinned by integrity in `rp2040/package-lock.json` and installed into the cache.
"""

import hashlib
import json
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from boards.firmware import firmware
from boards.image.tools import need
from boards.micropython import locked
from tests.support.mcu import CACHE, Prompt, door
from tests.support.system import ROOT

SOURCE = ROOT / "tests/support/rp2040"
UNIQUE = "e660583883724a31"
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
        """Return when it has happened: "usb" (a computer has taken it into use), "reset", "bootloader"."""
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
def pico(flash: Path, *, unique: str = UNIQUE, uf2: Path | None = None) -> Iterator[Pico]:
    """One that was just plugged in; leaving it pulls the plug. `flash` is made when it is not there."""
    uf2 = uf2 or firmware("pico", CACHE, print)
    emulator = _emulator()
    with (
        tempfile.TemporaryDirectory(prefix="pico-") as place,
        door(Path(place) / "console") as console,
        door(Path(place) / "link") as link,
        door(Path(place) / "control") as control,
    ):
        process = subprocess.Popen(
            ["node", emulator, uf2, flash, unique, place], stdin=subprocess.DEVNULL
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
