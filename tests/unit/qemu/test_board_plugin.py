"""What a marker may ask of the plugin."""

from pathlib import Path

import pytest

from qemu.board import RASPI3B, VIRT, Fittings
from qemu.board.plugin import board_request


def test_no_marker_is_the_quick_machine_switched_on() -> None:
    asked = board_request(None)
    assert (asked.machine, asked.power, asked.fittings) == (VIRT, True, Fittings())


def test_a_marker_names_machine_media_and_fittings() -> None:
    mark = pytest.mark.board("raspi3b", append=("quiet",), ports=("gps",), deadline=9).mark
    asked = board_request(mark)
    assert asked.machine is RASPI3B
    assert asked.media == {"append": ("quiet",)}
    assert asked.fittings == Fittings(ports=("gps",))
    assert asked.deadline == 9


@pytest.mark.parametrize(
    ("mark", "why"),
    [
        (pytest.mark.board("pdp11"), "'pdp11'; there are virt"),
        (pytest.mark.board(wheels=4), "no wheels; there are append"),
        (pytest.mark.board("virt", "raspi3b"), "one machine"),
    ],
)
def test_a_wrong_marker_is_told_what_there_is(mark: pytest.MarkDecorator, why: str) -> None:
    with pytest.raises(pytest.UsageError, match=why):
        board_request(mark.mark)


pytest_plugins = ["pytester"]

PLUGIN = ("-p", "qemu.board.plugin")
FAILING = """
import pytest
from qemu.board import VIRT, Board, Media, Programs
from qemu.board.command import log_path

@pytest.fixture
def barn():
    with Board(VIRT, Media(), Programs(None)) as made:
        log_path(made._folder).write_text("Kernel panic: no barn")
        yield made

def test_fails(barn):
    assert False

def test_passes(barn):
    pass
"""


@pytest.fixture(autouse=True)
def found_by_other_projects(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))


def test_a_failing_tests_report_ends_with_the_serial_log(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FAILING)
    result = pytester.runpytest_subprocess(*PLUGIN, "-rA")
    result.assert_outcomes(failed=1, passed=1)
    said = result.stdout.str()
    assert said.count("Serial log of barn (virt)") == 1
    assert said.count("Kernel panic: no barn") == 1


@pytest.mark.parametrize(
    ("flags", "outcome"), [((), "skipped"), (("--board-required",), "errors")]
)
def test_a_board_that_cannot_be_had_is_skipped_aloud_or_fails(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    outcome: str,
) -> None:
    monkeypatch.setenv("PATH", "")
    pytester.makepyfile("def test_it(board): board.run('true')")
    result = pytester.runpytest_subprocess(
        *PLUGIN, "-rs", "--board-cache", str(Path("empty")), *flags
    )
    result.assert_outcomes(**{outcome: 1})
    result.stdout.fnmatch_lines(["*apt-get is not here*"])
