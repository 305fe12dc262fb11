"""The plug is pulled while a board measures: what its app's call returned for is in the cloud."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from qemu.board import Board, Programs
from tests.support.confirmations import Confirmations
from tests.support.images import built_image
from tests.support.pi import FROM_GUEST, SLOW, pi
from tests.support.system import ROOT, Cloud, readings, skerry

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(1800)]
COUNTER = str(ROOT / "tests/system/guests/counter")
STREAMS = ("count", "count-relaxed")


@contextmanager
def heard(board: Board, line: Confirmations) -> Iterator[None]:
    """Somebody listens to the app's serial line while the block runs, which ends with the power."""
    with board.open_port("mcu") as far:
        far.settimeout(None)
        line.hear(lambda: far.recv(4096))
        yield
        board.power_cut()


def test_power_cuts_while_measuring_lose_nothing_that_the_app_was_told_is_kept(
    tmp_path: Path, board_programs: Programs, request: pytest.FixtureRequest
) -> None:
    rng, line = random.Random(20261123), Confirmations()
    keys = tmp_path / "keys"
    skerry("keys", "init", keys=keys)
    skerry("app", "build", COUNTER)
    with (
        Cloud(tmp_path / "cloud", secure=True, names=(FROM_GUEST,)) as cloud,
        pi(built_image("rpi3"), cloud, board_programs, keys) as barn,
    ):
        request.node.funcargs["barn"] = barn.board  # its log ends the report of a failure
        grant = ("--grant", "confirm=serial0")
        skerry("app", "deploy", COUNTER, "-l", "site=barn", *grant, cloud=cloud.url, keys=keys)
        for linked in (True, False, True):
            barn.power_on(linked=linked)
            with heard(barn.board, line):
                line.until_more(rng.randrange(20, 60), SLOW)
                if linked:
                    barn.board.set_link(up=rng.random() < 0.5)
                    line.until_more(rng.randrange(5, 40), SLOW)
        barn.power_on()
        barn.ask("hold", app="counter")
        barn.until_app("counter", "Held")
        barn.until_drained()
        stored = {name: [int(r["value"]) for r in readings(cloud, name=name)] for name in STREAMS}
    assert len(line.numbers["s"]) > 75
    assert line.numbers["s"] <= set(stored["count"]), "a confirmed reading is missing"
    for numbers in stored.values():
        assert len(numbers) == len(set(numbers)), "a reading was stored twice"
