"""The loop of a person at a desk with an emulated Raspberry Pi: a save, and it runs there."""

import threading
import time
from pathlib import Path

import pytest

from qemu.board import Programs
from tests.support.images import built_image
from tests.support.pi import FROM_GUEST, SLOW, pi
from tests.support.python_apps import HELPER, RAISES, SAYS, python_app
from tests.support.system import Cloud, Process, skerry, until

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(1800)]
SAVES = 5


def seconds_of(run: Process, pattern: str, since: float) -> float:
    """Until a line of the run, on a board that may take its time."""
    until(lambda: any(pattern in line for line in run.lines), f"it says {pattern!r}", SLOW)
    return time.monotonic() - since


def test_a_save_runs_on_the_board_and_a_traceback_comes_back(
    board_programs: Programs, tmp_path: Path
):
    keys = tmp_path / "keys"
    skerry("keys", "init", keys=keys)
    app = python_app(tmp_path / "sketch", "sketch", main=SAYS.format(text="from the board"))
    with (
        Cloud(tmp_path / "cloud", secure=True, names=(FROM_GUEST,)) as cloud,
        pi(built_image("rpi3"), cloud, board_programs, keys) as barn,
    ):
        barn.power_on()
        until(lambda: "barn" in skerry("get", "nodes", cloud=cloud.url).stdout, "it joined", SLOW)
        what = ("app", "run", str(app), "--on", "barn", "--watch", "--cloud", cloud.url)
        with Process(*what, "--keys", str(keys)) as run:
            began = time.monotonic()
            first = seconds_of(run, "  from the board", began)
            print(f"first: {first:.1f} s, with fetching and compiling the runtime")  # noqa: T201 - a figure
            seconds: list[float] = []
            for number in range(SAVES):
                threading.Event().wait(3)  # as a person would, not while the last one settles
                began = time.monotonic()
                python_app(app, "sketch", main=SAYS.format(text=f"save {number}"))
                seconds.append(seconds_of(run, f"  save {number}", began))
            shown = ", ".join(f"{each:.2f}" for each in seconds)
            print(f"from a save to its first line at the desk, seconds: {shown}")  # noqa: T201
            python_app(app, "sketch", main=RAISES, helper=HELPER)
            seconds_of(run, 'File "/app/helper.py", line 2, in divide', began)
            run.terminate()
        until(lambda: barn.app("sketch") is None, "the board has let it go", SLOW)
