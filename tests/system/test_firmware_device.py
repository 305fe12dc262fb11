"""The device's application on the emulated microcontroller, with this test as its node."""

from pathlib import Path
from typing import Any

import pytest

from firmware.device.app import CONFIG, LOG, PROPERTY, STATE
from qemu.board import Programs
from tests.support.mcu import Mcu, mcu
from tests.support.node_end import NodeEnd
from tests.support.system import until

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]


def barn(**more: Any) -> dict[str, Any]:
    """A thermometer, a lamp that is safe when it is off, a button."""
    return {
        "buses": {"probe": {"scl": "SCL3", "sda": "SDA3"}},
        "properties": {
            "air": {"kind": "tmp105", "bus": "probe", "address": 0x48, "every": 20, "change": 0.5},
            "lamp": {"kind": "out", "pin": "LED0", "safe": 0},
            "door": {"kind": "in", "pin": "BUTTON0", "every": 50},
        },
        **more,
    }


@pytest.fixture
def flash(tmp_path: Path) -> Path:
    return tmp_path / "flash"


def met(chip: Mcu) -> NodeEnd:
    node = NodeEnd(chip.link)
    node.meet()
    return node


def test_it_says_who_it_is_and_reports_what_it_was_told_to(
    board_programs: Programs, flash: Path
) -> None:
    with mcu(board_programs, flash) as chip:
        node = met(chip)
        assert node.who == {"name": "mps2", "firmware": "0.1.0", "link": 1}
        chip.set_celsius(21.5)
        assert node.write(CONFIG, c=barn()) == {}
        assert node.report("air")["v"] == 21.5
        chip.set_celsius(21.75)
        chip.set_celsius(-4.0)
        assert node.report("air")["v"] == -4.0, "a quarter of a degree is not reported"
        state = node.read(STATE)
        assert state["p"] == {"air": -4.0, "lamp": 0, "door": 0}
        assert state["free"] > 100_000


def test_an_output_is_written_read_and_reported(board_programs: Programs, flash: Path) -> None:
    with mcu(board_programs, flash) as chip:
        node = met(chip)
        node.write(CONFIG, c=barn())
        assert node.report("lamp")["v"] == 0
        assert node.write(PROPERTY, p="lamp", v=1) == {"v": 1}
        assert node.report("lamp")["v"] == 1
        assert node.read(PROPERTY, p="lamp") == {"v": 1}
        assert "must be 0 or 1" in node.write(PROPERTY, p="lamp", v=7)["rsn"]
        assert "an input" in node.write(PROPERTY, p="door", v=1)["rsn"]
        assert "attic" in node.write(PROPERTY, p="attic", v=1)["rsn"]


def test_its_configuration_outlives_a_power_cut_and_a_wrong_one_changes_nothing(
    board_programs: Programs, flash: Path
) -> None:
    with mcu(board_programs, flash) as chip:
        node = met(chip)
        node.write(CONFIG, c=barn())
        for wrong, words in (
            ({"properties": {"x": {"kind": "laser"}}}, "properties.x.kind: must be one of"),
            ({"properties": {"x": {"kind": "in", "pin": "GPIO4"}}}, "properties.x: pin: there is"),
            ({"properties": {"x": {"kind": "adc", "pin": "LED0"}}}, "microcontroller has no ADC"),
            ({"properties": {"x": {"kind": "pwm", "pin": "LED0"}}}, "microcontroller has no PWM"),
            (
                {"properties": {"x": {"kind": "in", "pin": "BUTTON0", "pull": "up"}}},
                "microcontroller has no PULL_UP",
            ),
            ({"safe_after": 0}, "safe_after: must be an integer from 100"),
        ):
            assert words in node.write(CONFIG, c=wrong)["rsn"]
        assert set(node.read(CONFIG)["c"]["properties"]) == {"air", "lamp", "door"}
    with mcu(board_programs, flash) as chip:
        chip.set_celsius(30.0)
        node = met(chip)
        assert set(node.read(CONFIG)["c"]["properties"]) == {"air", "lamp", "door"}
        assert node.report("air")["v"] == 30.0


def test_without_its_node_its_outputs_become_safe_and_it_tells_later(
    board_programs: Programs, flash: Path
) -> None:
    with mcu(board_programs, flash) as chip:
        node = met(chip)
        node.write(CONFIG, c=barn(safe_after=500))
        node.write(PROPERTY, p="lamp", v=1)
        assert chip.led(0)

        def out() -> bool:
            node.overhear()
            return not chip.led(0)

        until(out, "the lamp is out, as nobody speaks to it", 60)
        node.meet()
        assert node.read(PROPERTY, p="lamp") == {"v": 0}
        said = [line[2] for line in node.read(LOG)["l"]]
        assert any("outputs are safe" in line for line in said)


def test_a_sensor_that_is_not_there_is_an_error_and_not_the_end(
    board_programs: Programs, flash: Path
) -> None:
    config = barn()
    config["properties"]["air"]["address"] = 0x49
    with mcu(board_programs, flash) as chip:
        node = met(chip)
        node.write(CONFIG, c=config)
        assert node.report("air")["e"].startswith("errno")
        node.write(CONFIG, c=barn())
        assert "v" in node.report("air")


def test_it_starts_anew_when_it_is_told_to_and_is_known_as_another_start(
    board_programs: Programs, flash: Path
) -> None:
    with mcu(board_programs, flash) as chip:
        node = met(chip)
        node.ask(2, 5, group=0)
        node.meet()
        assert node.read(STATE)["cause"] == 2
