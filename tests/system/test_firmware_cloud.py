"""From the cloud to an emulated microcontroller: the agent runs here, on a real serial port's node."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from qemu.board import Programs
from tests.support.lines import Lines
from tests.support.mcu import Mcu, mcu
from tests.support.proxy import Link
from tests.support.system import ROOT, Agent, Cloud, readings, skerry, skerry_json, until
from tests.support.tty_cable import TtyCable

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]
THERMOSTAT = str(ROOT / "wasm_apps/thermostat")
SLOW = 90.0
HEATER = 5
BOARD = """
name = "barn"
[mcu.chip]
device = "{node}"
[mcu.chip.config]
safe_after = 2000
[mcu.chip.config.properties]
lamp = {{ kind = "out", pin = "LED1", safe = 0 }}
eaves = {{ kind = "tmp105", bus = "attic", address = 0x48, every = 100, change = 0.4 }}
[mcu.chip.config.buses]
attic = {{ scl = "SCL3", sda = "SDA3" }}
"""


class Barn:
    """A cloud, an agent and a microcontroller that can be unplugged and lose its power."""

    def __init__(self, place: Path, programs: Programs, cloud: Cloud, stack: ExitStack) -> None:
        self.cloud = cloud
        self._flash = place / "flash"
        self._programs = programs
        self._power = stack.enter_context(ExitStack())
        self.cable = TtyCable(place / "ttyCHIP")
        stack.callback(self.cable.close)
        self.chip: Mcu
        self.power_on()
        self.lines = Lines(self._flash)
        stack.callback(self.lines.close)

    def power_on(self) -> None:
        self.chip = self._power.enter_context(mcu(self._programs, self._flash))
        self.cable.plug(self.chip.link)

    def power_cut(self) -> None:
        self.cable.pull()
        self._power.close()

    def values(self, name: str) -> list[Any]:
        return [each["value"] for each in readings(self.cloud, name=name)]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with Cloud(tmp_path / "cloud") as service:
        yield service


@pytest.fixture
def barn(tmp_path: Path, board_programs: Programs, cloud: Cloud) -> Iterator[Barn]:
    with ExitStack() as stack:
        yield Barn(tmp_path, board_programs, cloud, stack)


def agent(barn: Barn, place: Path, board: str, url: str = "") -> Agent:
    file = place / "board.toml"
    file.write_text(board.format(node=barn.cable.node))
    return Agent("barn", url or barn.cloud.url, place / "barn", labels=["site=barn"], board=file)


def deploy(barn: Barn, probe: str) -> None:
    skerry("app", "build", THERMOSTAT)
    skerry(
        *("app", "deploy", THERMOSTAT, "-l", "site=barn"),
        *("--grant", f"probe={probe}", "--grant", f"heater=chip.GPIO{HEATER}"),
        *("--twin", "setpoint=30", "--twin", "interval=0.4", "--twin", "min-on=0"),
        *("--twin", "min-off=0"),
        cloud=barn.cloud.url,
    )


def test_an_app_does_not_know_that_its_sensor_hangs_off_a_microcontroller(
    barn: Barn, tmp_path: Path
) -> None:
    barn.chip.set_celsius(21.0)
    with agent(barn, tmp_path, 'name = "barn"\n[mcu.chip]\ndevice = "{node}"\n') as node:
        deploy(barn, "chip.i2c-3:0x48")
        node.until_app("thermostat", "Running")
        until(lambda: barn.lines.level(HEATER), "the heater is on", SLOW)
        until(lambda: 21.0 in barn.values("temperature"), "a reading arrives", SLOW)
        barn.cable.pull()
        wrong = "no temperature, heater off: NXIO"
        until(lambda: any(wrong in line for line in logs(node)), "the app is told", SLOW)
        barn.chip.set_celsius(24.0)
        barn.cable.plug(barn.chip.link)
        until(lambda: 24.0 in barn.values("temperature"), "it reads on", SLOW)
        until(lambda: barn.lines.level(HEATER), "the heater is on again", SLOW)
        barn.power_cut()
        barn.power_on()
        barn.chip.set_celsius(25.0)
        until(lambda: 25.0 in barn.values("temperature"), "it reads on after a brown-out", SLOW)
        until(lambda: barn.lines.level(HEATER), "the heater is on again", SLOW)
        app = node.app("thermostat")
        assert app is not None
        assert app["restarts"] == 0


def test_an_app_waits_for_a_microcontroller_that_is_not_there_yet(
    barn: Barn, tmp_path: Path
) -> None:
    barn.cable.pull()
    with agent(barn, tmp_path, 'name = "barn"\n[mcu.chip]\ndevice = "{node}"\n') as node:
        deploy(barn, "chip.i2c-3:0x48")
        until(lambda: any("NXIO" in line for line in logs(node)), "it is not there", SLOW)
        barn.chip.set_celsius(20.0)
        barn.cable.plug(barn.chip.link)
        until(lambda: 20.0 in barn.values("temperature"), "a reading arrives", SLOW)


def test_a_property_is_telemetry_without_an_app(barn: Barn, tmp_path: Path) -> None:
    barn.chip.set_celsius(18.0)
    with agent(barn, tmp_path, BOARD) as node:
        until(lambda: barn.values("eaves") == [18.0], "the first report", SLOW)
        (first,) = readings(barn.cloud, name="eaves")
        assert (first["node"], first["app"]) == ("barn", "mcu--chip")
        barn.chip.set_celsius(19.0)
        until(lambda: barn.values("eaves") == [18.0, 19.0], "a change is reported", SLOW)
        barn.cable.pull()
        until(lambda: any("chip is gone" in line for line in node.lines), "it is gone", SLOW)
        barn.cable.plug(barn.chip.link)
        barn.chip.set_celsius(20.0)
        until(lambda: 20.0 in barn.values("eaves"), "it goes on", SLOW)
        assert barn.values("eaves") == [18.0, 19.0, 20.0], "nothing is told twice"
        assert barn.values("lamp") == [0.0]


def test_what_can_be_granted_is_in_the_cloud_after_the_next_connection(
    barn: Barn, tmp_path: Path
) -> None:
    def known() -> bool:
        (found,) = skerry_json("get", "nodes", cloud=barn.cloud.url)["items"]
        return {"chip.GPIO5", "chip.i2c-0", "chip.attic"} <= set(found["status"]["resources"])

    with Link(barn.cloud.port) as link:
        url = f"http://127.0.0.1:{link.port}"
        with agent(barn, tmp_path, BOARD, url) as node:
            until(lambda: any("another configuration" in line for line in node.lines), "met", SLOW)
            link.cut()
            link.heal()
            until(known, "the cloud knows what can be granted", SLOW)


def logs(node: Agent) -> list[str]:
    """What the app said."""
    return [line["text"] for line in node.ask("logs", app="thermostat", tail=200)]
