"""What every GPIO backend keeps: one suite, the simulated board and, on a board, the kernel.

`outside` drives and reads the pin from the other end of the wire. The kernel's turn comes where
there is a bench: tests/system/test_hal_on_boards.py runs this file on emulated boards. That of an
attached microcontroller is tests/system/test_firmware_contract.py: there an edge is known here once
the link has brought it, which takes milliseconds, so its outside waits for one answer of the device.
"""

import select
from collections.abc import Iterator
from typing import Protocol

import pytest

from hal.board import Board
from hal.errors import ClosedError, PinDirectionError, ResourceBusyError, ResourceNotFoundError
from hal.gpio import EDGE_QUEUE_LIMIT, Direction, Edge, Line, LineConfig, Pull
from hal.linux.board import LinuxBoard, LinuxConfig
from hal.linux.gpio import LinePlace
from hal.sim import SimBoard
from tests.support.bench import Bench, Wiring, wiring

IN = LineConfig(Direction.INPUT)
OUT = LineConfig(Direction.OUTPUT)


class Outside(Protocol):
    board: Board
    pin: str
    """What the line is called on the board."""

    def set(self, level: bool) -> None: ...
    def level(self) -> bool: ...


class SimOutside:
    pin = "PIN"

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
    """A line of a real chip. Once the bench has answered, the kernel has seen the change."""

    pin = "PIN"

    def __init__(self, wired: Wiring) -> None:
        self._bench = Bench(wired.port)
        self._line = wired.line
        places = {"PIN": LinePlace(wired.chip, wired.line)}
        self.board = LinuxBoard(LinuxConfig(lines=places))
        self.board.open_line(self.pin, IN).close()  # an output stays one after its owner has gone
        self.set(False)

    def set(self, level: bool) -> None:
        self._bench.set(self._line, level=level)

    def level(self) -> bool:
        return self._bench.level(self._line)

    def close(self) -> None:
        self._bench.close()


WIRED = wiring()


@pytest.fixture(params=["sim", "linux"] if WIRED else ["sim"])
def outside(request: pytest.FixtureRequest) -> Iterator[Outside]:
    made = KernelOutside(WIRED) if WIRED and request.param == "linux" else SimOutside()
    yield made
    made.close()


def waits(line: Line) -> bool:
    return bool(select.select([line], [], [], 0)[0])


def test_an_input_reads_what_the_outside_drives(outside: Outside) -> None:
    with outside.board.open_line(outside.pin, IN) as line:
        assert line.read() is False
        outside.set(True)
        assert line.read() is True


def test_an_output_drives_its_initial_level_at_once_and_then_what_is_written(
    outside: Outside,
) -> None:
    with outside.board.open_line(outside.pin, LineConfig(Direction.OUTPUT, initial=True)) as line:
        assert outside.level() is True
        line.write(value=False)
        assert outside.level() is False
        assert line.read() is False


def test_active_low_turns_both_directions_around(outside: Outside) -> None:
    with outside.board.open_line(
        outside.pin, LineConfig(Direction.OUTPUT, active_low=True)
    ) as line:
        assert outside.level() is True
        line.write(value=True)
        assert outside.level() is False
        assert line.read() is True


def test_writing_an_input_is_refused(outside: Outside) -> None:
    with outside.board.open_line(outside.pin, IN) as line, pytest.raises(PinDirectionError):
        line.write(value=True)


def test_only_the_edges_asked_for_are_reported(outside: Outside) -> None:
    config = LineConfig(Direction.INPUT, edge=Edge.RISING)
    with outside.board.open_line(outside.pin, config) as line:
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
    with outside.board.open_line(outside.pin, config) as line:
        for level in (True, False, True):
            outside.set(level)
        edges = line.read_edges()
    assert [edge.rising for edge in edges] == [True, False, True]
    assert sorted(edge.time_ns for edge in edges) == [edge.time_ns for edge in edges]


def test_an_active_low_edge_is_logical(outside: Outside) -> None:
    config = LineConfig(Direction.INPUT, edge=Edge.RISING, active_low=True)
    outside.set(True)
    with outside.board.open_line(outside.pin, config) as line:
        outside.set(False)
        assert [edge.rising for edge in line.read_edges()] == [True]


def test_edges_past_the_queue_drop_the_oldest_and_tell_how_many(outside: Outside) -> None:
    config = LineConfig(Direction.INPUT, edge=Edge.BOTH)
    with outside.board.open_line(outside.pin, config) as line:
        for number in range(EDGE_QUEUE_LIMIT + 11):
            outside.set(number % 2 == 0)
        edges = list(line.read_edges())
        assert edges[0].lost == 11
        assert len(edges) == EDGE_QUEUE_LIMIT
        assert {edge.lost for edge in edges[1:]} == {0}


def test_a_line_has_one_owner_until_it_is_closed(outside: Outside) -> None:
    line = outside.board.open_line(outside.pin, OUT)
    with pytest.raises(ResourceBusyError):
        outside.board.open_line(outside.pin, OUT)
    line.close()
    line.close()
    outside.board.open_line(outside.pin, IN).close()


def test_a_closed_line_says_so(outside: Outside) -> None:
    line = outside.board.open_line(outside.pin, OUT)
    line.close()
    for use in (line.read, line.read_edges, line.fileno, lambda: line.write(value=True)):
        with pytest.raises(ClosedError):
            use()


def test_an_unknown_line_is_answered_with_those_that_exist(outside: Outside) -> None:
    with pytest.raises(ResourceNotFoundError, match=outside.pin):
        outside.board.open_line("GPIO99", LineConfig(Direction.INPUT, pull=Pull.UP))
