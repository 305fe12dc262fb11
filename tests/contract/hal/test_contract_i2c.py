"""What every I2C backend keeps: one suite, the simulated bus and, on a board, the kernel's.

The kernel's turn comes where there is a bench: tests/system/test_hal_on_boards.py runs this file
on an emulated board. That of an attached microcontroller is tests/system/test_firmware_contract.py:
it takes 960 bytes in a transaction, each way, as all of one travels in a frame.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hal.board import Board
from hal.errors import (
    BusError,
    ClosedError,
    NoDeviceError,
    ResourceBusyError,
    ResourceNotFoundError,
)
from hal.i2c import MESSAGES_LIMIT, TRANSFER_LIMIT, Read, Write
from hal.linux.board import LinuxBoard, LinuxConfig
from hal.sim import SimBoard
from tests.support.bench import wiring

PRESENT, ABSENT = 0x48, 0x49


class Memory:
    """A register file with a pointer, as a small EEPROM keeps one: the simplest device there is."""

    def __init__(self) -> None:
        self.registers = bytearray(256)
        self.pointer = 0

    def write(self, data: bytes) -> None:
        if data:
            self.pointer = data[0]
            self.registers[self.pointer : self.pointer + len(data) - 1] = data[1:]

    def read(self, length: int) -> bytes:
        return bytes(self.registers[self.pointer : self.pointer + length]).ljust(length, b"\0")

    def drive(self, name: str, value: float) -> None:
        raise AssertionError(f"nothing drives {name}={value}")

    def values(self) -> dict[str, float]:
        return {}


WIRED = wiring()
BUS = WIRED.bus if WIRED else None


@pytest.fixture
def bus() -> str:
    """What the bus is called on the board."""
    return "i2c-1"


@pytest.fixture(params=["sim", "linux"] if BUS else ["sim"])
def board(request: pytest.FixtureRequest) -> Iterator[Board]:
    if BUS and request.param == "linux":
        yield LinuxBoard(LinuxConfig(buses={"i2c-1": Path(BUS)}))
        return
    sim = SimBoard()
    sim.add_device("i2c-1", PRESENT, Memory())
    yield sim
    sim.close()


def test_what_was_written_is_read_back(board: Board, bus: str) -> None:
    with board.open_i2c(bus, PRESENT) as device:
        device.transfer([Write(b"\x10\xbe\xef")])
        assert device.transfer([Write(b"\x10"), Read(2)]) == [b"\xbe\xef"]


def test_a_combined_transaction_answers_each_read_in_order_or_is_refused_whole(
    board: Board, bus: str
) -> None:
    with board.open_i2c(bus, PRESENT) as device:
        device.transfer([Write(b"\x20\x01\x02\x03\x04")])
        both = [Write(b"\x20"), Read(1), Write(b"\x22"), Read(2)]
        if isinstance(
            board, LinuxBoard
        ):  # i2c-bcm2835, a Raspberry Pi 3's, reads once, at the end
            with pytest.raises(BusError, match="one transaction for each read"):
                device.transfer(both)
        else:
            assert device.transfer(both) == [b"\x01", b"\x03\x04"]


def test_an_address_where_nothing_sits_is_no_device(board: Board, bus: str) -> None:
    with board.open_i2c(bus, ABSENT) as device, pytest.raises(NoDeviceError):
        device.transfer([Read(1)])


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [Read(0)],
        [Read(TRANSFER_LIMIT + 1)],
        [Write(bytes(TRANSFER_LIMIT + 1))],
        [Read(1)] * (MESSAGES_LIMIT + 1),
    ],
    ids=["none", "empty read", "long read", "long write", "many"],
)
def test_a_transaction_past_a_limit_is_refused(
    board: Board, bus: str, messages: list[Read | Write]
) -> None:
    with (
        board.open_i2c(bus, PRESENT) as device,
        pytest.raises(ValueError, match=r"1 to|at most"),
    ):
        device.transfer(messages)


def test_an_address_has_one_owner_until_it_is_closed(board: Board, bus: str) -> None:
    device = board.open_i2c(bus, PRESENT)
    with pytest.raises(ResourceBusyError):
        board.open_i2c(bus, PRESENT)
    board.open_i2c(bus, ABSENT).close()
    device.close()
    device.close()
    with pytest.raises(ClosedError):
        device.transfer([Read(1)])
    board.open_i2c(bus, PRESENT).close()


def test_an_unknown_bus_is_answered_with_those_that_exist(board: Board, bus: str) -> None:
    with pytest.raises(ResourceNotFoundError, match=bus):
        board.open_i2c("i2c-9", PRESENT)


def test_a_reserved_address_is_refused(board: Board, bus: str) -> None:
    with pytest.raises(ResourceNotFoundError, match="0x08 to 0x77"):
        board.open_i2c(bus, 0x03)
