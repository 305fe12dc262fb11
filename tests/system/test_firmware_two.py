"""Two emulators: an app on an emulated Raspberry Pi reads a sensor behind an emulated microcontroller."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from qemu.board import Programs
from tests.support.images import built_image
from tests.support.lines import Lines
from tests.support.mcu import mcu
from tests.support.pi import FROM_GUEST, SLOW, pi
from tests.support.system import ROOT, Cloud, readings, skerry, until
from tests.support.tty_cable import joined

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(1800)]
THERMOSTAT = str(ROOT / "wasm_apps/thermostat")
HEATER = 5
SETTINGS = """
[mcu.chip]
device = "/dev/ttyS1"
[mcu.chip.config]
safe_after = 2000
[mcu.chip.config.properties.door]
kind = "in"
pin = "GPIO0"
every = 100
"""


def test_from_the_cloud_to_a_sensor_two_processors_away(
    board_programs: Programs, tmp_path: Path
) -> None:
    keys, flash = tmp_path / "keys", tmp_path / "flash"
    skerry("keys", "init", keys=keys)
    skerry("app", "build", THERMOSTAT)
    with ExitStack() as stack, ExitStack() as power:
        cloud = stack.enter_context(Cloud(tmp_path / "cloud", secure=True, names=(FROM_GUEST,)))
        node = stack.enter_context(
            pi(built_image("rpi3"), cloud, board_programs, keys, more=SETTINGS)
        )
        node.power_on()
        line = stack.enter_context(node.board.open_port("mcu"))

        def switch_on() -> Any:
            chip = power.enter_context(mcu(board_programs, flash))
            power.enter_context(joined(line, chip.link))
            return chip

        def arrived(name: str) -> list[float]:
            return [round(each["value"], 1) for each in readings(cloud, name=name)]

        chip = switch_on()
        seen = Lines(flash)
        stack.callback(seen.close)
        chip.set_celsius(21.5)
        until(lambda: arrived("door") == [0.0], "a property arrives without an app", SLOW)
        skerry(
            *("app", "deploy", THERMOSTAT, "-l", "site=barn"),
            *("--grant", "probe=chip.i2c-3:0x48", "--grant", f"heater=chip.GPIO{HEATER}"),
            *("--twin", "setpoint=30", "--twin", "interval=1", "--twin", "min-on=0"),
            *("--twin", "min-off=0"),
            cloud=cloud.url,
            keys=keys,
        )
        node.until_app("thermostat", "Running")
        until(lambda: 21.5 in arrived("temperature"), "21.5 is in the cloud", SLOW)
        until(lambda: seen.level(HEATER), "the heater is on", SLOW)
        chip.set_celsius(36.0)
        until(lambda: 36.0 in arrived("temperature"), "36 is in the cloud", SLOW)
        until(lambda: not seen.level(HEATER), "the heater is off", SLOW)
        power.close()
        chip = switch_on()
        chip.set_celsius(19.0)
        until(lambda: 19.0 in arrived("temperature"), "it reads on after a brown-out", SLOW)
        until(lambda: seen.level(HEATER), "the heater is on again", SLOW)
        app = node.app("thermostat")
        assert app is not None
        assert app["restarts"] == 0
