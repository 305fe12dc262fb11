"""An attached microcontroller: QEMU's `mps2-an385` on a unix socket, asked as the agent asks.

Seconds are those of the emulator on this machine; a real part has a slower processor, a line with a
speed, and no emulator between the two.
"""

import queue
import select
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from boards.firmware import PROGRAM, firmware
from firmware.device.config import checked
from firmware.link import frame, smp
from firmware.link.smp import READ
from hal.gpio import Direction, LineConfig
from hal.i2c import Read, Write
from hal.link.answers import CLOCK, GROUP
from qemu.board.programs import Programs, pinned_programs
from tests.bench.processes import ROOT
from tests.bench.report import Figure, Report
from tests.support.lines import Lines
from tests.support.mcu import CACHE, PATIENCE, Mcu, mcu
from tests.support.mcu_node import Attached, attached

ROUNDS, ASKED = 5, 400
BOOTS = 5
SECONDS = 3.0
CHANGES = 50
"""A second: each level is looked at twice."""
LINES = 8
REPORTING = {
    "properties": {
        f"p{number}": {"kind": "in", "pin": f"GPIO{number % LINES}", "every": 10}
        for number in range(16)
    }
}
STATE_GROUP, STATE = 64, 0
ECHO = """
from machine import UART
line = UART(1)
left = {asked}
while True:
    waiting = line.any()
    if waiting:
        left -= len(line.read(waiting))
        if left == 0:
            line.write(b"x" * {answered})
            left = {asked}
"""
"""The peer: as many bytes there and back as a request has, and nothing done with them."""


class Firmware:
    """Boots it, asks it, lets it report."""

    name = "firmware"

    def run(self, report: Report) -> None:
        """Measure and add figures."""
        programs = pinned_programs(ROOT / ".cache/qemu")
        self._sizes(report)
        with tempfile.TemporaryDirectory(prefix="bench-mcu-") as place:
            flash = Path(place) / "flash"
            self._boots(report, programs, flash)
            with mcu(programs, flash) as chip, attached("chip", chip) as node:
                self._round_trips(report, node)
            with mcu(programs, flash) as chip:
                self._bare(report, chip)
            with (
                mcu(programs, flash) as chip,
                attached("chip", chip, checked(REPORTING)) as node,
            ):
                self._reports(report, node, flash)
                free = node.link.request(READ, STATE_GROUP, STATE, {})["free"]
                assert isinstance(free, int)
                self._add(report, "RAM free while it reports", "KiB", (free / 1024,))

    def _add(
        self, report: Report, name: str, unit: str, values: tuple[float, ...], target: str = ""
    ) -> None:
        report.add(Figure(self.name, name, unit, values, target))

    def _sizes(self, report: Report) -> None:
        elf = firmware("mps2", CACHE, print).with_name(PROGRAM)
        told = subprocess.run(
            ["arm-none-eabi-size", elf], capture_output=True, text=True, check=True
        )
        text, data, bss = map(int, told.stdout.splitlines()[1].split()[:3])
        self._add(report, "flash of the firmware", "KiB", ((text + data) / 1024,))
        self._add(
            report, "RAM of the firmware, heap of 192 included", "KiB", ((data + bss) / 1024,)
        )

    def _boots(self, report: Report, programs: Programs, flash: Path) -> None:
        """From the start of the emulator to the first byte; the first boot makes the file system."""
        took = []
        for _ in range(BOOTS + 1):
            started = time.monotonic()
            with mcu(programs, flash) as chip:
                assert select.select([chip.link], [], [], PATIENCE)[0]
                took.append(time.monotonic() - started)
        self._add(report, "from power to the first frame", "s", tuple(took[1:]))

    def _round_trips(self, report: Report, node: Attached) -> None:
        output = LineConfig(Direction.OUTPUT)
        with (
            node.board.open_i2c("chip.i2c-3", 0x48) as probe,
            node.board.open_line("chip.GPIO1", output) as line,
        ):
            asks: dict[str, tuple[Callable[[], object], str]] = {
                "a request": (lambda: node.link.request(READ, GROUP, CLOCK, {}), "< 2"),
                "writing a pin": (lambda: line.write(value=True), ""),
                "reading a sensor": (lambda: probe.transfer([Write(b"\x00"), Read(2)]), ""),
            }
            for what, (ask, target) in asks.items():
                p50, p99 = [], []
                for _ in range(ROUNDS):
                    cuts = statistics.quantiles([_timed(ask) for _ in range(ASKED)], n=100)
                    p50.append(cuts[49])
                    p99.append(cuts[98])
                self._add(report, f"{what}, round trip p50", "ms", tuple(p50), target)
                self._add(report, f"{what}, round trip p99", "ms", tuple(p99))

    def _bare(self, report: Report, chip: Mcu) -> None:
        """What the emulator and MicroPython take by themselves; QEMU moves each byte on its own."""
        asked, answered = _bytes(READ, {}), _bytes(smp.answer(READ), {"t": 1 << 31})
        chip.start(ECHO.format(asked=asked, answered=answered))
        chip.overhear()

        def ask() -> None:
            chip.link.sendall(bytes(asked))
            left = answered
            while left:
                left -= len(chip.link.recv(left))

        p50 = [statistics.median(_timed(ask) for _ in range(ASKED)) for _ in range(ROUNDS)]
        name = f"a bare loop, {asked} bytes there and {answered} back, p50"
        self._add(report, name, "ms", tuple(p50))
        request = report.find("a request, round trip p50")
        if request is not None:
            each = tuple(ours / bare for ours, bare in zip(request.values, p50, strict=True))
            self._add(report, "a request, as a multiple of the bare loop", "x", each)

    def _reports(self, report: Report, node: Attached, flash: Path) -> None:
        """As many as there is room for: sixteen properties that change fifty times a second."""
        for _ in REPORTING["properties"]:
            node.properties.get(timeout=PATIENCE)
        lines = Lines(flash)
        ends = time.monotonic() + SECONDS
        levels = 0
        while time.monotonic() < ends:
            levels ^= (1 << LINES) - 1
            lines.put(levels)
            time.sleep(1 / CHANGES)
        lines.close()
        found = 0
        try:
            while True:
                node.properties.get(timeout=1.0)
                found += 1
        except queue.Empty:
            self._add(report, "reports of properties", "1/s", (found / SECONDS,))


def _bytes(operation: int, content: dict[str, object]) -> int:
    """Of a request for the clock, or of its answer, as frames."""
    link = bytes(3)  # kind and tag
    return len(frame.encode(link + smp.encode(operation, GROUP, CLOCK, 1, content)))


def _timed(ask: Callable[[], object]) -> float:
    started = time.perf_counter()
    ask()
    return (time.perf_counter() - started) * 1000
