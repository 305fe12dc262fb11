"""What every GPIO backend keeps: one suite, the simulated board and the kernel's gpio-sim.

`outside` drives and reads the pin from the other end of the wire.
"""

import os
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from hal.board import Board
from hal.errors import ClosedError, PinDirectionError, ResourceBusyError, ResourceNotFoundError
from hal.gpio import EDGE_QUEUE_LIMIT, Direction, Edge, Line, LineConfig, Pull
from hal.linux.board import LinuxBoard, LinuxConfig
from hal.linux.gpio import LinePlace
from hal.sim import SimBoard

IN = LineConfig(Direction.INPUT)
OUT = LineConfig(Direction.OUTPUT)
GPIO_SIM = Path("/sys/kernel/config/gpio-sim")


class Outside(Protocol):
    board: Board

    def set(self, level: bool) -> None: ...
    def level(self) -> bool: ...


class SimOutside:
    def __init__(self) -> None:
        self.board = SimBoard()
        self.board.add_line("PIN", level=False)

    def set(self, level: bool) -> None:
        self.board.drive("PIN", level=level)

    def level(self) -> bool:
        return self.board.line("PIN").level

    def close(self) -> None:
        self.board.close()


class KernelOutside:
    """A one-line gpio-sim chip made through configfs (kernel 5.17 and later, root)."""

    def __init__(self) -> None:
        self._dir = GPIO_SIM / f"skerry-{os.getpid()}"
        bank = self._dir / "bank0"
        (bank / "line0").mkdir(parents=True)
        (bank / "num_lines").write_text("1")
        (bank / "line0" / "name").write_text("PIN")
        (self._dir / "live").write_text("1")
        chip = (bank / "chip_name").read_text().strip()
        device = (self._dir / "dev_name").read_text().strip()
        self._sysfs = Path("/sys/devices/platform") / device / chip / "sim_gpio0"
        places = {"PIN": LinePlace(f"/dev/{chip}", "PIN")}
        self.board = LinuxBoard(LinuxConfig(lines=places))

    def set(self, level: bool) -> None:
        (self._sysfs / "pull").write_text("pull-up" if level else "pull-down")

    def level(self) -> bool:
        return (self._sysfs / "value").read_text().strip() == "1"

    def close(self) -> None:
        (self._dir / "live").write_text("0")
        for directory in (self._dir / "bank0" / "line0", self._dir / "bank0", self._dir):
            directory.rmdir()


@pytest.fixture(params=["sim", "linux"])
def outside(request: pytest.FixtureRequest) -> Iterator[Outside]:
    if request.param == "linux":
        if not GPIO_SIM.exists():
            subprocess.run(["modprobe", "gpio-sim"], check=False, capture_output=True) if Path(
                "/sbin/modprobe"
            ).exists() else None
        if not GPIO_SIM.exists():
            pytest.skip("this kernel offers no gpio-sim in configfs")
    made = KernelOutside() if request.param == "linux" else SimOutside()
    yield made
    made.close()


def waits(line: Line) -> bool:
    return bool(select.select([line], [], [], 0)[0])


def test_an_input_reads_what_the_outside_drives(outside: Outside) -> None:
    with outside.board.open_line("PIN", IN) as line:
        assert line.read() is False
        outside.set(True)
        assert line.read() is True


def test_an_output_drives_its_initial_level_at_once_and_then_what_is_written(
    outside: Outside,
) -> None:
    with outside.board.open_line("PIN", LineConfig(Direction.OUTPUT, initial=True)) as line:
        assert outside.level() is True
        line.write(value=False)
        assert outside.level() is False
        assert line.read() is False


def test_active_low_turns_both_directions_around(outside: Outside) -> None:
    with outside.board.open_line("PIN", LineConfig(Direction.OUTPUT, active_low=True)) as line:
        assert outside.level() is True
        line.write(value=True)
        assert outside.level() is False
        assert line.read() is True


def test_writing_an_input_is_refused(outside: Outside) -> None:
    with outside.board.open_line("PIN", IN) as line, pytest.raises(PinDirectionError):
        line.write(value=True)


def test_only_the_edges_asked_for_are_reported(outside: Outside) -> None:
    config = LineConfig(Direction.INPUT, edge=Edge.RISING)
    with outside.board.open_line("PIN", config) as line:
        assert not waits(line)
        outside.set(True)
        outside.set(False)
        assert waits(line)
        edges = line.read_edges()
        assert [edge.rising for edge in edges] == [True]
        assert not waits(line)
        assert list(line.read_edges()) == []


def test_edges_come_in_order_with_rising_times(outside: Outside) -> None:
    config = LineConfig(Direction.INPUT, edge=Edge.BOTH)
    with outside.board.open_line("PIN", config) as line:
        for level in (True, False, True):
            outside.set(level)
        edges = line.read_edges()
    assert [edge.rising for edge in edges] == [True, False, True]
    assert sorted(edge.time_ns for edge in edges) == [edge.time_ns for edge in edges]


def test_an_active_low_edge_is_logical(outside: Outside) -> None:
    config = LineConfig(Direction.INPUT, edge=Edge.RISING, active_low=True)
    outside.set(True)
    with outside.board.open_line("PIN", config) as line:
        outside.set(False)
        assert [edge.rising for edge in line.read_edges()] == [True]


def test_edges_past_the_queue_drop_the_oldest_and_tell_how_many(outside: Outside) -> None:
    config = LineConfig(Direction.INPUT, edge=Edge.BOTH)
    with outside.board.open_line("PIN", config) as line:
        for number in range(EDGE_QUEUE_LIMIT + 11):
            outside.set(number % 2 == 0)
        edges = list(line.read_edges())
        assert edges[0].lost == 11
        assert len(edges) == EDGE_QUEUE_LIMIT
        assert {edge.lost for edge in edges[1:]} == {0}


def test_a_line_has_one_owner_until_it_is_closed(outside: Outside) -> None:
    line = outside.board.open_line("PIN", OUT)
    with pytest.raises(ResourceBusyError):
        outside.board.open_line("PIN", OUT)
    line.close()
    line.close()
    outside.board.open_line("PIN", IN).close()


def test_a_closed_line_says_so(outside: Outside) -> None:
    line = outside.board.open_line("PIN", OUT)
    line.close()
    for use in (line.read, line.read_edges, line.fileno, lambda: line.write(value=True)):
        with pytest.raises(ClosedError):
            use()


def test_an_unknown_line_is_answered_with_those_that_exist(outside: Outside) -> None:
    with pytest.raises(ResourceNotFoundError, match="PIN"):
        outside.board.open_line("GPIO99", LineConfig(Direction.INPUT, pull=Pull.UP))
