"""Updating the emulated microcontroller over its link: how long, how many bytes, how soon undone."""

import tempfile
import time
from pathlib import Path

from boards.firmware import BOOTLOADER
from boards.image.tools import run
from hal.link.image import Image
from hal.link.link import Link
from hal.link.upload import Outcome, Phase, Result, update
from qemu.board import Programs
from qemu.board.programs import pinned_programs
from tests.bench.processes import ROOT, BenchError
from tests.bench.report import Figure, Report
from tests.support import mcu_images as images
from tests.support.mcu import mcu
from tests.support.mcu_update import node, programmed

ROUNDS = 3


class FirmwareUpdate:
    """All of it in QEMU, whose UART has no baud rate: a real line takes longer."""

    name = "firmware-update"

    def run(self, report: Report) -> None:
        """Sizes, a full update, and what a bad image costs."""
        size = run(["arm-none-eabi-size", images.made() / BOOTLOADER]).splitlines()[1].split()[0]
        report.add(Figure(self.name, "bootloader", "bytes", (float(size),), "", "code, no data"))
        image = images.good("0.2.0")
        report.add(Figure(self.name, "image", "bytes", (float(len(image.data)),)))
        programs = pinned_programs(ROOT / ".cache/qemu")
        with tempfile.TemporaryDirectory(prefix="skerry-bench-") as place:
            self._updates(report, programs, Path(place), image)
            self._rollbacks(report, programs, Path(place))

    def _updates(self, report: Report, programs: Programs, place: Path, image: Image) -> None:
        sent, uploads, trials = [], [], []
        for _ in range(ROUNDS):
            flash = place / "flash"
            programmed(flash, images.good("0.1.0"))
            with mcu(programs, flash) as chip, node(chip) as end:
                result, upload, trial = _timed(end.link, image)
            if result.outcome is not Outcome.UPDATED:
                raise BenchError(f"the update: {result.outcome.value}, {result.reason}")
            sent.append(float(result.sent))
            uploads.append(upload)
            trials.append(trial)
        report.add(Figure(self.name, "sent in a full update", "bytes", tuple(sent)))
        report.add(Figure(self.name, "upload", "s", tuple(uploads)))
        note = "reset, start, 3 s of judgement"
        report.add(Figure(self.name, "trial until confirmed", "s", tuple(trials), "", note))

    def _rollbacks(self, report: Report, programs: Programs, place: Path) -> None:
        for name, image, note in (
            ("a crash", images.crashing("0.2.0"), "three tries"),
            ("a hang", images.hanging("0.2.0"), "three tries of 4 s each"),
        ):
            took = []
            for _ in range(ROUNDS):
                flash = place / "flash"
                programmed(flash, images.good("0.1.0"))
                with mcu(programs, flash) as chip, node(chip) as end:
                    result, _, trial = _timed(end.link, image)
                if result.outcome is not Outcome.ROLLED_BACK:
                    raise BenchError(f"{name}: {result.outcome.value}, {result.reason}")
                took.append(trial)
            report.add(Figure(self.name, f"rolled back after {name}", "s", tuple(took), "", note))


def _timed(link: Link, image: Image) -> tuple[Result, float, float]:
    """The result, and seconds of upload and trial."""
    began = time.monotonic()
    turned: list[float] = []

    def watch(phase: Phase, _done: int, _total: int) -> None:
        if phase is Phase.TRIAL and not turned:
            turned.append(time.monotonic())

    result = update(link, image, watch)
    ended = time.monotonic()
    turn = turned[0] if turned else ended
    return result, turn - began, ended - turn
