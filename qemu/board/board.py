"""A virtual board in a test's hands: power, console, shell, files, network, clock, devices.

A board owns a QEMU process, a folder for its sockets and log, and a layer over its disk that
lives as long as the board: `power_cut()` and `power_on()` boot the same disk again.
"""

import itertools
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from qemu.board.command import (
    NETWORK,
    Sockets,
    log_path,
    port_path,
    qemu_arguments,
)
from qemu.board.console import Found
from qemu.board.disk import make_layer
from qemu.board.errors import BoardError, GuestError, MachineError, PowerError
from qemu.board.files import get, put
from qemu.board.gpio import Gpio
from qemu.board.hostview import forwarded_port
from qemu.board.machine import Fittings, Machine, Media
from qemu.board.programs import Programs
from qemu.board.qmp import Event
from qemu.board.qtest import TestChannel
from qemu.board.shell import ENTER, ENTERED, Completed, end_of, start_of, typed
from qemu.board.wire import ConsoleWire, Monitor

# Under TCG on a busy machine a plain command takes a second, not half a minute.
COMMAND_S = 30.0


class _End:
    """A pair of sockets: ours, and one that QEMU inherits and `theirs` closes here."""

    def __init__(self, theirs: ExitStack) -> None:
        self.kept, far = socket.socketpair()
        self.given = theirs.enter_context(far).fileno()


class Sensor:
    """A sensor on the board's I2C bus, driven from outside. One thread at a time."""

    def __init__(self, monitor: Monitor, name: str) -> None:
        self._monitor = monitor
        self._path = f"/machine/peripheral/{name}"

    @property
    def celsius(self) -> float:
        """What the sensor feels, as QEMU keeps it (in steps of 1/256 °C)."""
        milli: int = self._monitor.execute("qom-get", path=self._path, property="temperature")
        return milli / 1000

    @celsius.setter
    def celsius(self, value: float) -> None:
        milli = round(value * 1000)
        self._monitor.execute("qom-set", path=self._path, property="temperature", value=milli)


class Board:
    """One virtual board, off until `power_on()`. One thread at a time."""

    def __init__(
        self, machine: Machine, media: Media, programs: Programs, fittings: Fittings | None = None
    ) -> None:
        """Prepare a folder and, over `media.disk`, a layer; raises BootError, MachineError."""
        self.machine = machine
        self.media = media
        self.fittings = fittings or Fittings()
        self._programs = programs
        # Not pytest's folder: the path of a unix socket has at most 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="board-"))
        self._marks = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._console: ConsoleWire | None = None
        self._monitor: Monitor | None = None
        self._channel: TestChannel | None = None
        self._in_shell = False
        self._disk: Path | None = None
        try:
            if media.disk is not None:
                self._disk = self._folder / "disk"
                make_layer(programs, media.disk, self._disk, machine.disk)
        except BoardError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Power

    def power_on(self, *, ready: str | None = None, within: float | None = None) -> None:
        """Boot, and wait until the console says `ready` (`""`: do not wait).

        Raises BootError when QEMU ends, DeadlineError when the board does not come up.
        """
        if self._process is not None:
            raise PowerError("the board is on already")
        with ExitStack() as theirs:
            console, monitor, channel = (_End(theirs) for _ in range(3))
            sockets = Sockets(
                console=console.given,
                monitor=monitor.given,
                channel=channel.given,
                folder=self._folder,
            )
            try:
                self._process = self._start(sockets)
            except BoardError:
                for end in (console, monitor, channel):
                    end.kept.close()
                raise
        self._in_shell = False
        self._console = ConsoleWire(console.kept)
        self._channel = TestChannel(channel.kept)
        wanted = self.media.ready if ready is None else ready
        try:
            self._monitor = Monitor(monitor.kept)
            if wanted:
                self.expect(wanted, within=within or self.machine.boot_s)
        except BoardError as fault:
            monitor.kept.close()
            self.power_cut()
            fault.add_note(f"QEMU said: {self._complaint() or 'nothing'}")
            raise

    def power_cut(self) -> None:
        """Pull the plug: what the guest had not yet written to its disk is lost."""
        if self._process is None:
            raise PowerError("the board is off already")
        self._process.kill()
        self._process.wait()
        self._process = None
        if self._console is not None:
            self._console.close()
        if self._monitor is not None:
            self._monitor.close()
        if self._channel is not None:
            self._channel.close()
        self._console = self._monitor = self._channel = None

    def power_cycle(self) -> None:
        """Cut the power, and boot the same disk again."""
        self.power_cut()
        self.power_on()

    @property
    def is_on(self) -> bool:
        """Whether it has power; a guest that halted still has."""
        return self._process is not None

    def close(self) -> None:
        """Cut the power and throw the disk's layer away; idempotent."""
        if self._process is not None:
            self.power_cut()
        shutil.rmtree(self._folder, ignore_errors=True)

    # Console and shell

    def send(self, text: str) -> None:
        """Type `text` at the console; a line wants its own newline."""
        self._live_console().send(text)

    def expect(self, text: str, *, within: float = COMMAND_S) -> Found:
        """Wait until the console says `text`, and take all up to it; raises DeadlineError."""
        return self._live_console().expect(text, within)

    def expect_line(self, pattern: str, *, within: float = COMMAND_S) -> Found:
        """Wait for a whole line in which the regular expression is found; raises DeadlineError."""
        return self._live_console().expect_line(re.compile(pattern), within)

    def run(self, command: str, *, within: float = COMMAND_S) -> Completed:
        """Run a shell command in the guest; needs a prompt on the console the first time.

        Raises DeadlineError when it does not end, ValueError when it is too long for a terminal.
        """
        mark = f"board{next(self._marks)}"
        line = typed(command, mark)
        self._enter_shell()
        self.send(line)
        self.expect(start_of(mark), within=within)
        found = self._live_console().expect_line(end_of(mark), within)
        return Completed(found.before.removesuffix("\n"), int(found.groups[0]))

    def check(self, command: str, *, within: float = COMMAND_S) -> str:
        """The output of a command that must succeed, stripped; raises GuestError."""
        done = self.run(command, within=within)
        if done.status:
            raise GuestError(f"{command!r} ended with {done.status} and said {done.output!r}")
        return done.output.strip()

    def put(self, path: str, data: bytes, *, executable: bool = False) -> None:
        """Leave `data` at `path` in the guest, verified by SHA-256; raises GuestError."""
        self._enter_shell()
        put(self, path, data, executable=executable)

    def get(self, path: str) -> bytes:
        """The guest's file at `path`, verified by SHA-256; raises GuestError."""
        return get(self, path)

    @property
    def log(self) -> str:
        """All that the console ever said, over every power cycle."""
        try:
            return log_path(self._folder).read_text(errors="replace")
        except OSError:
            return ""

    # Network and clock

    def forward(self, guest_port: int) -> int:
        """A port of 127.0.0.1 that leads to the guest's TCP port."""
        known = self.monitor_text("info usernet")
        port = forwarded_port(known, guest_port)
        if port is None:
            self.monitor_text(f"hostfwd_add {NETWORK} tcp:127.0.0.1:0-:{guest_port}")
            port = forwarded_port(self.monitor_text("info usernet"), guest_port)
        if port is None:
            raise MachineError(f"QEMU forwards nothing to port {guest_port}")
        return port

    def set_link(self, *, up: bool) -> None:
        """Plug the network cable in or out."""
        self.monitor("set_link", name=NETWORK, up=up)

    @contextmanager
    def partition(self) -> Generator[None]:
        """The network cable is out while the block runs."""
        self.set_link(up=False)
        try:
            yield
        finally:
            if self.is_on:
                self.set_link(up=True)

    def set_clock(self, unix_seconds: int) -> None:
        """Step the guest's clock, as a time server would."""
        self.check(f"date -u -s @{unix_seconds}")

    # Devices

    def sensor(self, name: str = "tmp105") -> Sensor:
        """The sensor of that name; raises MachineError when none was fitted."""
        if name not in {sensor.name for sensor in self.fittings.sensors}:
            raise MachineError(f"no sensor {name!r} was fitted to this board")
        return Sensor(self._live_monitor(), name)

    def port(self, name: str) -> Path:
        """The unix socket of a serial port; raises MachineError when none was fitted."""
        if name not in self.fittings.ports:
            raise MachineError(f"no serial port {name!r} was fitted to this board")
        return port_path(self._folder, name)

    @contextmanager
    def open_port(self, name: str, *, timeout: float = COMMAND_S) -> Generator[socket.socket]:
        """The far end of a serial port."""
        with socket.socket(socket.AF_UNIX) as far:
            far.settimeout(timeout)
            far.connect(str(self.port(name)))
            yield far

    def gpio_level(self, line: int) -> bool:
        """The level of a GPIO line as the chip shows it; raises MachineError."""
        return self._gpio().level(line)

    def drive_gpio(self, line: int, *, level: bool) -> None:
        """Set the level of a GPIO line from outside; raises MachineError on the guest's outputs."""
        self._gpio().drive(line, level=level)

    def wait_event(self, name: str, *, within: float = COMMAND_S) -> Event:
        """The next event of QEMU's monitor with that name (WATCHDOG, RESET, SHUTDOWN)."""
        return self._live_monitor().wait_event(name, within)

    def monitor(self, command: str, /, **arguments: Any) -> Any:
        """Any command of QEMU's monitor (QMP); raises MonitorError when QEMU refuses."""
        return self._live_monitor().execute(command, **arguments)

    def monitor_text(self, line: str) -> str:
        """Any command of QEMU's human monitor, for what QMP lacks."""
        said: str = self.monitor("human-monitor-command", command_line=line)
        return said

    def _live_console(self) -> ConsoleWire:
        if self._console is None:
            raise PowerError("the board is off")
        return self._console

    def _live_monitor(self) -> Monitor:
        if self._monitor is None:
            raise PowerError("the board is off")
        return self._monitor

    def _gpio(self) -> Gpio:
        if self._channel is None:
            raise PowerError("the board is off")
        return Gpio(self.machine, self._live_monitor(), self._channel)

    def _enter_shell(self) -> None:
        if not self._in_shell:
            self.send(ENTER)
            self.expect(ENTERED)
            self._in_shell = True

    def _start(self, sockets: Sockets) -> "subprocess.Popen[bytes]":
        arguments = qemu_arguments(self.machine, self.media, self.fittings, sockets, self._disk)
        with self._complaints.open("wb") as complaints:
            return subprocess.Popen(  # noqa: S603 - argv, no shell
                self._programs.argv(self.machine.program, arguments),
                stdin=subprocess.DEVNULL,
                stdout=complaints,
                stderr=complaints,
                pass_fds=sockets.inherited(),
            )

    @property
    def _complaints(self) -> Path:
        return self._folder / "qemu.err"

    def _complaint(self) -> str:
        return self._complaints.read_text(errors="replace").strip()
