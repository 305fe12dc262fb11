"""Apps in Python on an emulated Raspberry Pi: from a save at the desk to its first line there.

The person's part, the cloud and QEMU share this machine, so what the emulated processor does
competes with its own emulation: seconds are those of the emulator, and of an idle machine only
when it is one.
"""

import os
import tempfile
import time
from pathlib import Path

from qemu.board.programs import pinned_programs
from tests.bench.report import Figure, Report
from tests.support.images import built_image
from tests.support.pi import FROM_GUEST, SLOW, pi
from tests.support.python_apps import SAYS, python_app
from tests.support.system import ROOT, Cloud, Process, skerry, until

BOARD = "rpi3"
SAVES = 9
PAUSE = 8.0
"""Seconds between two saves: a person's."""


class PythonBoard:
    """One boot of the board."""

    name = "python-board"

    def run(self, report: Report) -> None:
        """The first start, then saves."""
        image = built_image(BOARD)
        programs = pinned_programs(ROOT / ".cache/qemu")
        with tempfile.TemporaryDirectory(prefix="skerry-bench-") as place:
            folder = Path(place)
            keys = folder / "keys"
            skerry("keys", "init", keys=keys)
            with (
                Cloud(folder / "cloud", secure=True, names=(FROM_GUEST,)) as cloud,
                pi(image, cloud, programs, keys) as barn,
            ):
                barn.power_on()
                until(lambda: _joined(cloud), "it joined", SLOW)
                self._saves(report, folder, cloud, keys)

    def _saves(self, report: Report, folder: Path, cloud: Cloud, keys: Path) -> None:
        app = python_app(folder / "sketch", "sketch", main=SAYS.format(text="first"))
        what = ("app", "run", str(app), "--on", "barn", "--watch", "--cloud", cloud.url)
        values: list[float] = []
        with Process(*what, "--keys", str(keys)) as run:
            began = time.monotonic()
            run.wait_for_line("  first$", SLOW)
            first = time.monotonic() - began
            for number in range(SAVES + 1):
                time.sleep(PAUSE)
                began = time.monotonic()
                python_app(app, "sketch", main=SAYS.format(text=f"save {number}"))
                run.wait_for_line(f"  save {number}$", SLOW)
                values.append(time.monotonic() - began)
        load = f"load of this machine {os.getloadavg()[0]:.1f}"
        for name, seconds, target, note in (
            ("the first app, from its command", [first], "", "fetches and compiles the runtime"),
            ("from the first save to its first line", values[:1], "", "starts a judge"),
            ("from a save to its first line", values[1:], "< 2", "signed, TLS"),
        ):
            figure = Figure(self.name, name, "s", tuple(seconds), target, f"{note}; {load}")
            report.add(figure)


def _joined(cloud: Cloud) -> bool:
    return "barn" in skerry("get", "nodes", cloud=cloud.url).stdout
