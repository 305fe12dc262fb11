"""Updating the emulated microcontroller over its link: how long, how many bytes, how soon undone.

Its time is that of its instructions (`-icount`): a busy host does not end trials that were only slow.
"""

import tempfile
import time
from pathlib import Path

from boards.firmware import BOOTLOADER
from boards.image.tools import run
from hal.link import patch as patches
from hal.link.image import Image
from hal.link.link import Link
from hal.link.patch import Patch
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
    """All of it in QEMU, whose UART has no baud rate: a real line takes longer, and a patch saves more."""

    name = "firmware-update"

    def run(self, report: Report) -> None:
        """Sizes, a full update, one by patch, and what a bad image costs."""
        size = run(["arm-none-eabi-size", images.made() / BOOTLOADER]).splitlines()[1].split()[0]
        report.add(Figure(self.name, "bootloader", "bytes", (float(size),), "", "code, no data"))
        image = images.changed("0.2.0")
        report.add(Figure(self.name, "image", "bytes", (float(len(image.data)),)))
        patch = patches.make(images.shipped(), image)
        note = f"its version and {images.CHANGED} bytes are others"
        report.add(Figure(self.name, "patch", "bytes", (float(len(patch.data)),), "", note))
        built = images.variant("ended", "0.2.0")
        another = float(len(patches.make(images.shipped(), built).data))
        note = "to a build with another main program"
        report.add(Figure(self.name, "patch to a build", "bytes", (another,), "", note))
        programs = pinned_programs(ROOT / ".cache/qemu")
        with tempfile.TemporaryDirectory(prefix="skerry-bench-") as place:
            self._updates(report, programs, Path(place), image, None)
            self._updates(report, programs, Path(place), image, patch)
            self._rollbacks(report, programs, Path(place))

    def _updates(
        self, report: Report, programs: Programs, place: Path, image: Image, patch: Patch | None
    ) -> None:
        sent, uploads, applied, trials = [], [], [], []
        for _ in range(ROUNDS):
            flash = place / "flash"
            programmed(flash, images.shipped())
            with mcu(programs, flash, counted=True) as chip, node(chip) as end:
                result, took = _timed(end.link, image, patch)
            if result.outcome is not Outcome.UPDATED or result.unpatched:
                raise BenchError(f"the update: {result.outcome.value}, {result}")
            sent.append(float(result.sent))
            uploads.append(took[Phase.UPLOAD])
            applied.append(took[Phase.APPLY])
            trials.append(took[Phase.TRIAL])
        how = "by patch" if patch else "whole"
        report.add(Figure(self.name, f"sent, {how}", "bytes", tuple(sent)))
        report.add(Figure(self.name, f"upload, {how}", "s", tuple(uploads)))
        if patch:
            note = "looked at once a second"
            report.add(Figure(self.name, "patch applied", "s", tuple(applied), "", note))
        note = "reset, start, 3 s of judgement"
        report.add(Figure(self.name, f"trial, {how}", "s", tuple(trials), "", note))

    def _rollbacks(self, report: Report, programs: Programs, place: Path) -> None:
        for name, image, note in (
            ("a crash", images.crashing("0.2.0"), "three tries"),
            ("a hang", images.hanging("0.2.0"), "three tries of 4 s each"),
        ):
            took = []
            for _ in range(ROUNDS):
                flash = place / "flash"
                programmed(flash, images.shipped())
                with mcu(programs, flash, counted=True) as chip, node(chip) as end:
                    result, phases = _timed(end.link, image, None)
                if result.outcome is not Outcome.ROLLED_BACK:
                    raise BenchError(f"{name}: {result.outcome.value}, {result.reason}")
                took.append(phases[Phase.TRIAL])
            report.add(Figure(self.name, f"rolled back after {name}", "s", tuple(took), "", note))


def _timed(link: Link, image: Image, patch: Patch | None) -> tuple[Result, dict[Phase, float]]:
    """The result, and the seconds of each phase."""
    began = time.monotonic()
    begins: dict[Phase, float] = {}

    def watch(phase: Phase, _done: int, _total: int) -> None:
        begins.setdefault(phase, time.monotonic())

    result = update(link, image, watch, patch=patch)
    took, end = {}, time.monotonic()
    for phase in (Phase.TRIAL, Phase.APPLY, Phase.UPLOAD):
        begin = began if phase is Phase.UPLOAD else begins.get(phase, end)
        took[phase], end = end - begin, begin
    return result, took
