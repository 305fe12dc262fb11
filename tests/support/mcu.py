"""The microcontroller of CI in QEMU: its firmware run, its flash in a file, its prompt to talk to."""

import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from boards.firmware import firmware
from qemu.board import Programs, Tmp105
from qemu.board.qmp import Answer, Stream, command
from tests.support.system import ROOT, until

CACHE = ROOT / ".cache/boards"
FLASH_BYTES = 16 << 20
FILES_AT = 1 << 20
"""Where its file system begins."""
PATIENCE = 60.0
_INTERRUPT, _RAW, _RUN = b"\r\x03", b"\r\x01", b"\x04"
_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"


class Mcu:
    """A microcontroller that is on; made by `mcu`."""

    def __init__(self, console: socket.socket, qmp: Path) -> None:
        self._console = console
        self._qmp = qmp

    def read_until(self, end: bytes) -> bytes:
        """What the console says, up to and with `end`."""
        said, deadline = b"", time.monotonic() + PATIENCE
        while not said.endswith(end):
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self._console], [], [], left)[0]:
                raise AssertionError(f"the console did not say {end!r}, but {said!r}")
            got = self._console.recv(1)
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
        self._console.sendall(_INTERRUPT + _RAW)
        self.read_until(_PROMPT)
        self._console.sendall(program.encode() + _RUN)
        self.read_until(b"OK")

    def set_celsius(self, celsius: float) -> None:
        """The temperature at its sensor."""
        where = {"path": "/machine/peripheral/probe", "property": "temperature"}
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(PATIENCE)
            monitor.connect(str(self._qmp))
            stream = Stream()
            for name, said in (
                ("qmp_capabilities", {}),
                ("qom-set", {**where, "value": round(celsius * 1000)}),
            ):
                monitor.sendall(command(name, said))
                answers: list[Answer] = []
                while not answers:
                    answers += [
                        each
                        for each in stream.feed(monitor.recv(4096))
                        if isinstance(each, Answer)
                    ]
                assert answers[0].refusal is None, answers


@contextmanager
def mcu(programs: Programs, flash: Path) -> Iterator[Mcu]:
    """One that was just switched on; leaving it cuts its power. `flash` is made when it is not there."""
    elf = firmware("mps2", CACHE, print)
    if not flash.exists():
        with flash.open("wb") as file:
            file.truncate(FLASH_BYTES)
    with (
        tempfile.TemporaryDirectory(prefix="mcu-") as place,
        socket.socket(socket.AF_UNIX) as door,
    ):
        console, qmp = Path(place) / "console", Path(place) / "qmp"
        door.bind(str(console))
        door.listen()
        memory = f"memory-backend-file,id=flash,mem-path={flash},size={FLASH_BYTES},share=on"
        process = subprocess.Popen(
            programs.argv(
                "qemu-system-arm",
                [
                    *("-machine", "mps2-an385,memory-backend=flash", "-object", memory),
                    *("-display", "none", "-kernel", str(elf), "-no-user-config"),
                    *(
                        "-chardev",
                        f"socket,id=console,path={console}",
                        "-serial",
                        "chardev:console",
                    ),
                    *("-qmp", f"unix:{qmp},server=on,wait=off"),
                    *("-device", f"tmp105,id=probe,bus=i2c,address={Tmp105().address}"),
                ],
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            door.settimeout(PATIENCE)
            connection, _ = door.accept()
            until(qmp.exists, "QEMU's monitor is there")
            with connection:
                yield Mcu(connection, qmp)
        finally:
            process.kill()
            process.wait()
