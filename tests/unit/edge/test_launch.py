"""An agent started by a board: without the command line, faults told in a line."""

import subprocess
import sys
from pathlib import Path

import pytest

from edge.config import AgentConfig
from edge.errors import ControlError
from edge.launch import launch, launch_on_board
from tests.support.system import ROOT

UNASKED = ("argparse", "gettext", "shutil", "urllib.request", "http", "email", "unittest", "cloud")
"""What an agent could drag in and never needs."""


def config(tmp_path: Path, **other: str) -> AgentConfig:
    (tmp_path / "state").write_text("a file")
    settings = {"name": "barn", "cloud": "http://127.0.0.1:9"} | other
    return AgentConfig(**settings, state=tmp_path / "state")


def test_a_name_that_is_no_label_is_refused_by_what_is_wrong(tmp_path):
    with pytest.raises(ControlError, match="'The Barn' is not a lower-case DNS label"):
        launch(config(tmp_path, name="The Barn"))


def test_a_board_tells_a_fault_in_one_line(tmp_path, capsys):
    assert launch_on_board(config(tmp_path)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("skerry: ")
    assert str(tmp_path / "state") in line


def test_an_agent_loads_nothing_that_it_never_needs():
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "import edge.launch, hal.boardfile, hal.linux.board\n"
        f"print(*(name for name in {UNASKED!r} if name in sys.modules))"
    )
    command = [sys.executable, "-S", "-c", program]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
