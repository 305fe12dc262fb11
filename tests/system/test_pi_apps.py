"""A thermostat on the emulated Raspberry Pi: one boot, its life with a cloud and without."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby

import pytest

from qemu.board import Board, Programs
from tests.support.images import built_image
from tests.support.pi import FROM_GUEST, HEATER, SLOW, Pi, pi
from tests.support.system import ROOT, Cloud, readings, skerry, until

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(1800)]
THERMOSTAT = str(ROOT / "wasm_apps/thermostat")
STARTED = datetime.now(UTC)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    home = tmp_path_factory.mktemp("cloud")
    with Cloud(home, secure=True, names=(FROM_GUEST,)) as service:
        yield service


@pytest.fixture(scope="module")
def barn(
    cloud: Cloud, board_programs: Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pi]:
    """A node that runs the thermostat, set to 30 degrees in a room of 21.5."""
    keys = tmp_path_factory.mktemp("desk") / "keys"
    skerry("keys", "init", keys=keys)
    skerry("app", "build", THERMOSTAT)
    with pi(built_image("rpi3"), cloud, board_programs, keys) as node:
        node.power_on()
        node.board.sensor().celsius = 21.5
        skerry(
            *("app", "deploy", THERMOSTAT, "-l", "site=barn"),
            *("--grant", "probe=i2c-1:0x48", "--grant", f"heater=GPIO{HEATER}"),
            *("--twin", "setpoint=30", "--twin", "interval=1", "--twin", "min-on=0"),
            *("--twin", "min-off=0"),
            cloud=cloud.url,
            keys=keys,
        )
        node.until_app("thermostat", "Running")
        yield node


@pytest.fixture
def board(barn: Pi) -> Board:
    """Its serial log ends the report of a failing test."""
    return barn.board


def temperatures(cloud: Cloud) -> list[float]:
    return [round(each["value"], 1) for each in readings(cloud, name="temperature")]


def until_measured(cloud: Cloud, celsius: float) -> None:
    until(lambda: celsius in temperatures(cloud), f"{celsius} is in the cloud", SLOW)


def test_a_reading_follows_the_sensor_and_the_heater_switches(
    cloud: Cloud, barn: Pi, board: Board
) -> None:
    until_measured(cloud, 21.5)
    barn.until_heater(on=True)
    board.sensor().celsius = 36.5
    until_measured(cloud, 36.5)
    barn.until_heater(on=False)
    board.sensor().celsius = 22.5
    until_measured(cloud, 22.5)
    barn.until_heater(on=True)


def test_with_the_cable_out_the_app_goes_on_and_nothing_is_lost(
    cloud: Cloud, barn: Pi, board: Board
) -> None:
    with board.partition():
        for celsius, heats in ((33.0, False), (19.0, True), (34.0, False), (20.0, True)):
            board.sensor().celsius = celsius
            barn.until_heater(on=heats)
        assert not {33.0, 19.0, 34.0, 20.0} & set(temperatures(cloud))
    until_measured(cloud, 20.0)
    barn.until_drained()
    # A temperature that stays is reported again each minute.
    assert [celsius for celsius, _ in groupby(temperatures(cloud))][-4:] == [
        33.0,
        19.0,
        34.0,
        20.0,
    ]


def test_started_without_a_network_and_in_1970_it_does_its_job_and_its_readings_are_dated_right(
    cloud: Cloud, barn: Pi, board: Board
) -> None:
    before = len(temperatures(cloud))
    board.power_cut()
    barn.power_on(linked=False)
    assert board.check("date -u +%Y") == "1970"
    board.sensor().celsius = 35.0
    barn.until_app("thermostat", "Running")
    barn.until_heater(on=False)
    board.sensor().celsius = 18.0
    barn.until_heater(on=True)
    assert len(temperatures(cloud)) == before
    board.set_link(up=True)
    until_measured(cloud, 18.0)
    barn.until_drained()
    times = [datetime.fromisoformat(each["time"]) for each in readings(cloud, name="temperature")]
    assert all(STARTED < each < datetime.now(UTC) for each in times), times
    assert times == sorted(times)
