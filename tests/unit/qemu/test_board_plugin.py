"""What a marker may ask of the plugin."""

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
