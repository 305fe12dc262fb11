"""Real kills at random moments: what an app's call returned for is in the cloud exactly once."""

import os
import random
import threading
import tty
from pathlib import Path

import pytest

from tests.support.proxy import Link
from tests.support.system import ROOT, Agent, Cloud, readings, skerry

BOARD = """
[serial.serial0]
kind = "linux"
device = "{path}"
"""


class Confirmations:
    """The far end of a serial line: numbers whose publishing call has returned.

    It outlives the agent, as a person with a pencil would.
    """

    def __init__(self) -> None:
        self._far, self._near = os.openpty()
        tty.setraw(self._near)
        self.path = os.ttyname(self._near)
        self.numbers: dict[str, set[int]] = {"s": set(), "r": set()}
        self._grown = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def until_more(self, count: int) -> None:
        """Return once `count` more numbers were confirmed on each stream."""
        with self._grown:
            goals = {name: len(seen) + count for name, seen in self.numbers.items()}
            assert self._grown.wait_for(
                lambda: all(len(self.numbers[name]) >= goal for name, goal in goals.items()), 60
            ), f"no more confirmations: {self.numbers}"

    def _read(self) -> None:
        rest = b""
        while data := os.read(self._far, 4096):
            *lines, rest = (rest + data).split(b"\n")
            with self._grown:
                for line in lines:
                    stream, _, number = line.decode("ascii", "replace").partition(" ")
                    if stream in self.numbers and number.isdecimal():
                        self.numbers[stream].add(int(number))
                self._grown.notify_all()


@pytest.mark.slow
def test_every_confirmed_reading_is_in_the_cloud_exactly_once(tmp_path: Path):
    rng = random.Random(20261123)
    line = Confirmations()
    board = tmp_path / "board.toml"
    board.write_text(BOARD.format(path=line.path))
    guest = ROOT / "tests/system/guests/counter"
    skerry("app", "build", str(guest))

    cloud = Cloud(tmp_path / "cloud")
    with Link(cloud.port) as link:
        url = f"http://127.0.0.1:{link.port}"

        def agent() -> Agent:
            return Agent("barn", url, tmp_path / "barn", board=board, labels=["site=barn"])

        barn = agent()
        skerry(
            *("app", "deploy", str(guest), "-l", "site=barn", "--grant", "confirm=serial0"),
            cloud=cloud.url,
        )
        line.until_more(5)
        for _ in range(12):
            match rng.choice(["agent", "cloud", "cut", "slow", "freeze", "both"]):
                case "agent":
                    barn.kill()
                    barn = agent()
                case "cloud":
                    cloud.kill()
                    cloud = Cloud(tmp_path / "cloud", cloud.port)
                case "both":
                    barn.kill()
                    cloud.kill()
                    barn = agent()
                    line.until_more(1)
                    cloud = Cloud(tmp_path / "cloud", cloud.port)
                case "cut":
                    link.cut()
                    line.until_more(rng.randrange(1, 30))
                    link.heal()
                case "slow":
                    link.slow(20_000)
                    line.until_more(rng.randrange(1, 20))
                    link.slow(None)
                case "freeze":
                    link.freeze()
                    line.until_more(rng.randrange(1, 20))
                    link.thaw()
            line.until_more(rng.randrange(1, 20))
        barn.ask("hold", app="counter")
        barn.until_app("counter", "Held")
        barn.until_drained()
        stored = {
            "s": [int(r["value"]) for r in readings(cloud, name="count")],
            "r": [int(r["value"]) for r in readings(cloud, name="count-relaxed")],
        }
        barn.terminate()
        cloud.terminate()

    for stream, confirmed in line.numbers.items():
        assert len(confirmed) > 50
        assert confirmed <= set(stored[stream]), "a confirmed reading is missing"
        assert len(stored[stream]) == len(set(stored[stream])), "a reading was stored twice"
