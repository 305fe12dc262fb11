"""Real kills at random moments: what an app's call returned for is in the cloud exactly once."""

import os
import random
import tty
from pathlib import Path

import pytest

from tests.support.confirmations import Confirmations
from tests.support.proxy import Link
from tests.support.system import ROOT, Agent, Cloud, readings, skerry

BOARD = """
[serial.serial0]
kind = "linux"
device = "{path}"
"""


def serial_line() -> tuple[Confirmations, str]:
    """Somebody who listens, and the device node that leads to them."""
    far, near = os.openpty()
    tty.setraw(near)
    line = Confirmations()
    line.hear(lambda: os.read(far, 4096))
    return line, os.ttyname(near)


@pytest.mark.slow
def test_every_confirmed_reading_is_in_the_cloud_exactly_once(tmp_path: Path):
    rng = random.Random(20261123)
    line, path = serial_line()
    board = tmp_path / "board.toml"
    board.write_text(BOARD.format(path=path))
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
