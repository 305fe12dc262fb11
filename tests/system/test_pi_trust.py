"""Trust on an emulated Raspberry Pi: its token, its signatures, an ended certificate, 1970, revoked."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from qemu.board import Board, Programs
from tests.support.clocks import days_ahead
from tests.support.images import built_image
from tests.support.pi import FROM_GUEST, SLOW, Pi, pi
from tests.support.system import NOTHING, ROOT, Cloud, skerry, skerry_json, until

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(1800)]
BEEPER = str(ROOT / "tests/system/guests/beeper-1")
THERMOMETER = str(ROOT / "wasm_apps/thermometer")
AWAY = 100
"""Days without power; a certificate lives 90."""


class Office:
    """The cloud and the person beside it, who share a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.keys = folder, folder / "keys"
        self.clock = NOTHING
        self.cloud = Cloud(folder / "cloud", secure=True, names=(FROM_GUEST,))

    def wait(self, days: int) -> None:
        """Start the cloud again when so many days have gone by."""
        self.cloud.terminate()
        self.clock, names = days_ahead(days), (FROM_GUEST,)
        self.cloud = Cloud(
            self.folder / "cloud", self.cloud.port, secure=True, names=names, more=self.clock
        )

    def does(self, *words: str) -> None:
        skerry(*words, cloud=self.cloud.url, keys=self.keys, more=self.clock)

    def sees(self, *words: str) -> Any:
        return skerry_json(*words, cloud=self.cloud.url, more=self.clock)

    def deeds(self, verb: str) -> list[tuple[str, int]]:
        """Who did this, and how it went."""
        return [
            (each["name"], each["code"]) for each in self.sees("audit", "--verb", verb)["items"]
        ]

    def newest(self) -> datetime:
        """The time of the last beep."""
        (beep,) = self.sees("telemetry", "beep", "--latest", "--since", "1000d")
        return datetime.fromisoformat(beep["time"])


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKERRY_CONTEXTS", str(folder / "contexts"))
        for app in (BEEPER, THERMOMETER):
            skerry("app", "build", app)
        skerry("keys", "init", keys=folder / "keys")
        office = Office(folder)
        yield office
        office.cloud.terminate()


@pytest.fixture(scope="module")
def barn(office: Office, board_programs: Programs) -> Iterator[Pi]:
    with pi(built_image("rpi3"), office.cloud, board_programs, office.keys) as node:
        node.power_on()
        yield node


@pytest.fixture
def board(barn: Pi) -> Board:
    """Its serial log ends the report of a failing test."""
    return barn.board


def test_it_joined_with_the_token_of_its_card_and_runs_only_what_was_signed(
    office: Office, barn: Pi, board: Board
) -> None:
    until(lambda: barn.status()["link"]["state"] == "Online", "barn joined", SLOW)
    assert office.deeds("join") == [("barn", 200)]
    office.does("app", "deploy", BEEPER, "-l", "site=barn")
    grant = ("--grant", "probe=i2c-1:0x48")
    office.does("app", "deploy", THERMOMETER, "-l", "site=barn", "--no-sign", *grant)
    barn.until_app("beeper", "Running")
    assert barn.until_app("thermometer", "Failed")["reason"] == "Unsigned"


def test_with_an_ended_certificate_and_a_clock_of_1970_it_runs_its_app_and_comes_back(
    office: Office, barn: Pi, board: Board
) -> None:
    board.power_cut()
    barn.power_on(linked=False)
    assert board.check("date -u +%Y") == "1970"
    barn.until_app("beeper", "Running")
    office.wait(days=AWAY)
    board.set_link(up=True)
    until(lambda: barn.status()["link"]["state"] == "Online", "barn is back", SLOW)
    assert office.deeds("reenrol") == [("barn", 200)]
    ahead = datetime.now(UTC) + timedelta(days=AWAY)
    soon = timedelta(hours=1)
    until(lambda: abs(office.newest() - ahead) < soon, "a beep has the time of the cloud", SLOW)


def test_revoked_it_is_out_at_once_and_stays_out_and_its_app_goes_on(
    office: Office, barn: Pi, board: Board
) -> None:
    office.does("node", "revoke", "barn")
    until(lambda: barn.status()["link"]["state"] != "Online", "it is out", SLOW)
    board.power_cut()
    barn.power_on()
    refused = until(lambda: barn.status()["link"].get("error"), "it is told why", SLOW)
    assert "revoked" in refused
    barn.until_app("beeper", "Running")
