"""The microcontroller of CI in QEMU: its firmware run, its flash in a file, its prompt to talk to."""

import select
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from boards.firmware import firmware
from qemu.board import Programs, Tmp105
from qemu.board.qmp import Answer, Stream, command
from tests.support.system import ROOT, until

CACHE = ROOT / ".cache/boards"
FLASH_BYTES = 16 << 20
FILES_AT = 1 << 20
"""Where its file system begins."""
SLOTS_AT = 2 << 20
"""Where the first image lies."""
LEDS = 0x40028000
PATIENCE = 60.0
_INTERRUPT, _RAW, _RUN = b"\r\x03", b"\r\x01", b"\x04"
_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"


class Prompt:
    """MicroPython's prompt on a console."""

    def __init__(self, console: socket.socket) -> None:
        self.socket = console

    def read_until(self, end: bytes) -> bytes:
        """What the console says, up to and with `end`."""
        said = self._heard(end, PATIENCE)
        assert said.endswith(end), f"the console did not say {end!r}, but {said!r}"
        return said

    def _heard(self, end: bytes, within: float) -> bytes:
        """As much as came, at most up to and with `end`."""
        said, deadline = b"", time.monotonic() + within
        while not said.endswith(end):
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self.socket], [], [], left)[0]:
                break
            got = self.socket.recv(1)
            assert got, f"the machine is gone; it said {said!r}"
            said += got
        return said

    def run(self, program: str) -> str:
        """What a program prints; AssertionError with its traceback when it fails."""
        self.start(program)
        printed = self.read_until(_RUN)[:-1].decode()
        failed = self.read_until(_RUN)[:-1].decode()
        assert not failed, failed
        return printed.replace("\r\n", "\n")

    def start(self, program: str) -> None:
        """Have a program run, whether it ends or not."""
        said = b""
        for _ in range(int(PATIENCE)):  # what comes before Python runs interrupts nothing
            self.socket.sendall(_INTERRUPT + _RAW)
            said = self._heard(_PROMPT, 1.0)
            if said.endswith(_PROMPT):
                break
        assert said.endswith(_PROMPT), f"no prompt, but {said!r}"
        self.socket.sendall(program.encode() + _RUN)
        self.read_until(b"OK")


class Mcu(Prompt):
    """A microcontroller that is on; made by `mcu`."""

    def __init__(self, console: socket.socket, link: socket.socket, qmp: Path) -> None:
        super().__init__(console)
        self._qmp = qmp
        self.link = link
        """Its second serial port, a stream."""

    def set_celsius(self, celsius: float) -> None:
        """The temperature at its sensor."""
        where = {"path": "/machine/peripheral/probe", "property": "temperature"}
        self._monitor("qom-set", where | {"value": round(celsius * 1000)})

    def overhear(self) -> bool:
        """Take what it says on its link and say nothing: an emulated line that nobody reads stands still."""
        while select.select([self.link], [], [], 0)[0]:
            assert self.link.recv(4096), "the device is gone"
        return True

    def led(self, number: int) -> bool:
        """Whether a lamp is lit, seen from outside."""
        said = self._monitor("human-monitor-command", {"command-line": f"xp /1wx {LEDS:#x}"})
        return bool(int(said.rpartition(":")[2], 16) >> number & 1)

    def _monitor(self, name: str, said: dict[str, Any]) -> Any:
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(PATIENCE)
            monitor.connect(str(self._qmp))
            stream = Stream()
            answer = Answer(None)
            for each, arguments in (("qmp_capabilities", {}), (name, said)):
                monitor.sendall(command(each, arguments))
                answers: list[Answer] = []
                while not answers:
                    found = stream.feed(monitor.recv(4096))
                    answers += [one for one in found if isinstance(one, Answer)]
                (answer,) = answers
                assert answer.refusal is None, answer
            return answer.value


@contextmanager
def mcu(
    programs: Programs,
    flash: Path,
    *,
    sensor: int = Tmp105().address,
    eeprom: int | None = None,
    elf: Path | None = None,
    debugger: Path | None = None,
    counted: bool = False,
) -> Iterator[Mcu]:
    """One that was just switched on; leaving it cuts its power. `flash` is made when it is not there.

    `sensor`, `eeprom`: I2C addresses of a TMP105, and of 256 bytes of memory. `elf`: what a programmer
    put into it, if not the firmware. `debugger`: a socket that `gdb.Debugger` connects to. `counted`: its
    time is that of its instructions, as it is with a debugger: a busy host does not wake its watchdog.
    """
    memories = (
        []
        if eeprom is None
        else ["-device", f"at24c-eeprom,bus=i2c,address={eeprom},rom-size=256"]
    )
    elf = elf or firmware("mps2", CACHE, print)
    debug = []
    if debugger is not None:
        debug = ["-chardev", f"socket,id=gdb,path={debugger},server=on,wait=off"]
        debug += ["-gdb", "chardev:gdb"]
    if counted or debugger is not None:
        debug += ["-icount", "shift=5"]
    if not flash.exists():
        with flash.open("wb") as file:
            file.truncate(FLASH_BYTES)
    with (
        tempfile.TemporaryDirectory(prefix="mcu-") as place,
        door(Path(place) / "console") as console,
        door(Path(place) / "link") as link,
    ):
        qmp = Path(place) / "qmp"
        memory = f"memory-backend-file,id=flash,mem-path={flash},size={FLASH_BYTES},share=on"
        process = subprocess.Popen(
            programs.argv(
                "qemu-system-arm",
                [
                    *("-machine", "mps2-an385,memory-backend=flash", "-object", memory),
                    *("-display", "none", "-kernel", str(elf), "-no-user-config"),
                    *("-chardev", f"socket,id=console,path={place}/console"),
                    *("-serial", "chardev:console"),
                    *("-chardev", f"socket,id=link,path={place}/link", "-serial", "chardev:link"),
                    *("-qmp", f"unix:{qmp},server=on,wait=off"),
                    *("-device", f"tmp105,id=probe,bus=i2c,address={sensor}"),
                    *memories,
                    *debug,
                ],
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with console.accept()[0] as talk, link.accept()[0] as line:
                until(qmp.exists, "QEMU's monitor is there")
                yield Mcu(talk, line, qmp)
        finally:
            process.kill()
            process.wait()


@contextmanager
def console_drained(console: socket.socket) -> Iterator[None]:
    """Take what it says there, for whoever leaves it on for long: after some 280 characters that nobody
    reads, an emulated line stands still, and with it a bootloader that speaks on it."""
    over = threading.Event()

    def drain() -> None:
        while not over.is_set():
            if select.select([console], [], [], 0.1)[0] and not console.recv(4096):
                return

    thread = threading.Thread(target=drain)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def door(path: Path) -> socket.socket:
    """Where QEMU comes to, once."""
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(path))
    door.listen()
    door.settimeout(PATIENCE)
    return door
