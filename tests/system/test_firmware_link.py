"""A node's hardware on emulated microcontrollers whose cables are pulled and whose power goes."""

import queue
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from firmware.device.config import checked
from firmware.link.smp import READ
from hal.errors import (
    BusError,
    DeviceGoneError,
    NoDeviceError,
    ResourceBusyError,
    ResourceNotFoundError,
)
from hal.gpio import Direction, Edge, LineConfig, Pull
from hal.i2c import Read, Write
from hal.link.answers import CLOCK, GROUP, TRANSACTION_LIMIT
from hal.link.link import Happening
from qemu.board import Programs
from tests.support.lines import Lines
from tests.support.mcu import Mcu, mcu
from tests.support.mcu_node import Attached, attached
from tests.support.system import until

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]
TEMPERATURE = [Write(b"\x00"), Read(2)]
OUT = LineConfig(Direction.OUTPUT)
SLOW = 60.0
BARN = {
    "buses": {"probe": {"scl": "SCL3", "sda": "SDA3"}},
    "properties": {
        "air": {"kind": "tmp105", "bus": "probe", "address": 0x48, "every": 20, "change": 0.3},
        "lamp": {"kind": "out", "pin": "LED0", "safe": 0},
    },
    "safe_after": 1000,
}


@pytest.fixture
def flash(tmp_path: Path) -> Path:
    return tmp_path / "flash"


@pytest.fixture
def chip(board_programs: Programs, flash: Path) -> Iterator[Mcu]:
    with mcu(board_programs, flash) as made:
        yield made


@pytest.fixture
def lines(chip: Mcu, flash: Path) -> Iterator[Lines]:
    made = Lines(flash)
    yield made
    made.close()


def celsius(raw: list[bytes]) -> float:
    return int.from_bytes(raw[0], signed=True) / 256


def is_there(node: Attached) -> bool:
    """Whether a request is answered: the device may be booting."""
    try:
        node.link.request(READ, GROUP, CLOCK, {})
    except BusError:
        return False
    return True


def test_a_pulled_cable_is_an_error_for_who_asks_and_all_is_as_before_once_it_is_back(
    chip: Mcu, lines: Lines
) -> None:
    watched = LineConfig(Direction.INPUT, edge=Edge.BOTH)
    with (
        attached("chip", chip) as node,
        node.board.open_line("chip.GPIO1", OUT) as heater,
        node.board.open_line("chip.GPIO2", watched) as door,
        node.board.open_i2c("chip.i2c-3", 0x48) as probe,
    ):
        heater.write(value=True)
        assert lines.level(1)
        node.cable.pull()
        node.until(Happening.DOWN)
        for use in (
            heater.read,
            door.read,
            lambda: probe.transfer(TEMPERATURE),
            lambda: heater.write(value=False),
            lambda: node.board.open_line("chip.GPIO3", OUT),
        ):
            with pytest.raises(DeviceGoneError):
                use()
        chip.set_celsius(17.0)
        node.cable.plug(chip)
        node.until(Happening.UP)
        until(lambda: not lines.level(1), "what was written meanwhile counts", SLOW)
        assert celsius(probe.transfer(TEMPERATURE)) == 17.0
        lines.set(2, level=True)
        until(lambda: [edge.rising for edge in door.read_edges()] == [True], "an edge", SLOW)
        node.board.open_line("chip.GPIO3", OUT).close()


def test_without_its_node_a_lent_output_becomes_safe_and_is_driven_again_when_it_is_back(
    chip: Mcu, lines: Lines
) -> None:
    with attached("chip", chip, checked({"safe_after": 300})) as node:
        until(lambda: node.link.request(READ, 64, 2, {})["c"]["safe_after"] == 300, "configured")
        heater = node.board.open_line("chip.GPIO1", LineConfig(Direction.OUTPUT, active_low=True))
        heater.write(value=True)
        assert not lines.level(1)
        node.cable.pull()
        until(lambda: chip.overhear() and lines.level(1), "the heater is off: active low", SLOW)
        node.cable.plug(chip)
        node.until(Happening.UP)
        until(lambda: not lines.level(1), "the heater is on again", SLOW)
        heater.close()
        assert lines.level(1), "closed, it is safe"


def test_another_start_of_the_node_finds_nothing_lent_and_outputs_safe(
    chip: Mcu, lines: Lines
) -> None:
    with attached("chip", chip) as node:
        node.board.open_line("chip.GPIO1", OUT).write(value=True)
        assert lines.level(1)
    with attached("chip", chip) as node:
        until(lambda: not lines.level(1), "it is safe", SLOW)
        line = node.board.open_line("chip.GPIO1", LineConfig(Direction.INPUT))
        assert not lines.driven(1)
        line.close()


def test_after_a_brown_out_owners_keep_what_they_have(
    board_programs: Programs, flash: Path
) -> None:
    with ExitStack() as node_side, ExitStack() as power:
        chip = power.enter_context(mcu(board_programs, flash))
        node = node_side.enter_context(attached("chip", chip, checked(BARN)))
        assert node.property("lamp").value == 0
        heater = node.board.open_line("chip.GPIO1", OUT)
        heater.write(value=True)
        lost: queue.Queue[Any] = queue.Queue()
        node.cable.lose_power()
        power.close()
        node.until(Happening.DOWN)
        with pytest.raises(DeviceGoneError):
            node.link.post(READ, GROUP, CLOCK, {}, lost.put)
        chip = power.enter_context(mcu(board_programs, flash))
        seen = Lines(flash)
        node_side.callback(seen.close)
        chip.set_celsius(12.0)
        node.cable.plug(chip)
        node.until(Happening.RESTARTED)
        until(lambda: seen.level(1), "the heater is on again", SLOW)
        while node.property("air").value != 12.0:
            pass
        with node.board.open_i2c("chip.probe", 0x49) as probe, pytest.raises(NoDeviceError):
            probe.transfer(TEMPERATURE)


def test_a_device_that_restarts_amid_a_request_ends_it(chip: Mcu) -> None:
    with attached("chip", chip) as node:
        chip.start("import machine, time\ntime.sleep_ms(500)\nmachine.reset()")
        ended: queue.Queue[Any] = queue.Queue()
        node.link.post(READ, GROUP, CLOCK, {}, ended.put)
        assert isinstance(ended.get(timeout=SLOW), BusError)
        node.until(Happening.RESTARTED)
        node.until(Happening.UP)
        assert is_there(node)


def test_two_devices_on_one_node_do_not_mix(board_programs: Programs, tmp_path: Path) -> None:
    with ExitStack() as stack:
        chips = {
            name: stack.enter_context(mcu(board_programs, tmp_path / name))
            for name in ("left", "right")
        }
        nodes = {name: stack.enter_context(attached(name, chips[name])) for name in chips}
        seen = {name: Lines(tmp_path / name) for name in chips}
        for lines in seen.values():
            stack.callback(lines.close)
        chips["left"].set_celsius(11.0)
        chips["right"].set_celsius(22.0)
        probes = {
            name: stack.enter_context(node.board.open_i2c(f"{name}.i2c-3", 0x48))
            for name, node in nodes.items()
        }
        for _ in range(20):
            assert celsius(probes["left"].transfer(TEMPERATURE)) == 11.0
            assert celsius(probes["right"].transfer(TEMPERATURE)) == 22.0
        nodes["left"].board.open_line("left.GPIO1", OUT).write(value=True)
        assert (seen["left"].level(1), seen["right"].level(1)) == (True, False)
        with pytest.raises(ResourceNotFoundError, match=r"left\.GPIO1"):
            nodes["left"].board.open_line("right.GPIO1", OUT)
        nodes["left"].cable.pull()
        nodes["left"].until(Happening.DOWN)
        with pytest.raises(DeviceGoneError):
            probes["left"].transfer(TEMPERATURE)
        assert celsius(probes["right"].transfer(TEMPERATURE)) == 22.0


def test_what_it_is_told_to_do_is_sent_once_and_its_reports_come_with_their_times(
    chip: Mcu,
) -> None:
    chip.set_celsius(19.0)
    before = time.monotonic_ns()
    with attached("chip", chip, checked(BARN)) as node:
        air = node.property("air")
        assert (air.device, air.value, air.error) == ("chip", 19.0, "")
        assert before < air.monotonic_ns <= time.monotonic_ns()
        chip.set_celsius(23.0)
        changed = time.monotonic_ns()
        later = node.property("air")
        assert later.value == 23.0
        assert changed - 50_000_000 < later.monotonic_ns <= time.monotonic_ns()
    with attached("chip", chip, checked(BARN)) as node:
        node.property("air")
        lines = [line[2] for line in node.link.request(READ, 64, 3, {"from": 0})["l"]]
        assert sum("configured" in line for line in lines) == 1


def test_what_the_configuration_uses_is_busy_to_an_app_and_the_other_way_round(chip: Mcu) -> None:
    with attached("chip", chip) as node:
        lamp = node.board.open_line("chip.LED0", OUT)
        bus = node.board.open_i2c("chip.i2c-3", 0x49)
        for wanted, words in (
            ({"properties": BARN["properties"], "buses": BARN["buses"]}, "in use by an app"),
            ({"properties": {"lamp": {"kind": "out", "pin": "LED0"}}}, "LED0 is in use by an app"),
            ({"buses": BARN["buses"]}, "SCL3 is in use by an app"),
        ):
            answer = node.link.request(2, 64, 2, {"c": wanted})
            assert words in str(answer["rsn"])
        lamp.close()
        bus.close()
        assert node.link.request(2, 64, 2, {"c": BARN}) == {}
        with pytest.raises(ResourceBusyError, match=r"LED0 belongs to properties\.lamp"):
            node.board.open_line("chip.LED0", OUT)
        with pytest.raises(ResourceBusyError, match=r"SCL3 belongs to buses\.probe"):
            node.board.open_i2c("chip.i2c-3", 0x49)
    with attached("chip", chip) as node:
        until(lambda: "chip.probe" in node.board.resources(), "it says what it has", SLOW)
        with pytest.raises(ResourceBusyError, match=r"probe:0x48 belongs to properties\.air"):
            node.board.open_i2c("chip.probe", 0x48)
        with node.board.open_i2c("chip.probe", 0x49), pytest.raises(ResourceBusyError):
            node.board.open_i2c("chip.probe", 0x49)


def test_what_a_part_cannot_do_is_said_with_what_it_is(chip: Mcu) -> None:
    with attached("chip", chip) as node:
        until(lambda: "chip.GPIO7" in node.board.resources(), "it says what it has", SLOW)
        for name, config, words in (
            ("chip.LED0", LineConfig(Direction.INPUT), "it cannot be used that way"),
            ("chip.GPIO1", LineConfig(Direction.INPUT, pull=Pull.UP), "no PULL_UP"),
            ("chip.BUTTON0", LineConfig(Direction.INPUT, edge=Edge.BOTH), "only GPIO0"),
        ):
            with pytest.raises(BusError, match=words):
                node.board.open_line(name, config)
        with (
            node.board.open_i2c("chip.i2c-3", 0x48) as probe,
            pytest.raises(BusError, match="at most 960 bytes"),
        ):
            probe.transfer([Read(TRANSACTION_LIMIT + 1)])
        with node.board.open_i2c("chip.i2c-3", 0x49) as nobody, pytest.raises(NoDeviceError):
            nobody.transfer([Write(bytes(TRANSACTION_LIMIT))])
