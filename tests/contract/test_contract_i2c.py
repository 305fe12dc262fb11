"""What every I2C backend keeps: one suite, the simulated bus and the kernel's i2c-stub."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from smbus2 import I2cFunc, SMBus

from hal.board import Board
from hal.errors import ClosedError, NoDeviceError, ResourceBusyError, ResourceNotFoundError
from hal.i2c import MESSAGES_LIMIT, TRANSFER_LIMIT, Read, Write
from hal.linux.board import LinuxBoard, LinuxConfig
from hal.sim import SimBoard

PRESENT, ABSENT = 0x48, 0x49


class Memory:
    """A register file with a pointer, as i2c-stub keeps one: the simplest device there is."""

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


def _kernel_bus() -> Path | None:
    """The adapter that i2c-stub makes, where it offers raw I2C messages (most speak SMBus only)."""
    modprobe = Path("/sbin/modprobe")
    if modprobe.exists():
        subprocess.run(
            [str(modprobe), "i2c-stub", f"chip_addr={PRESENT:#x}"],
            check=False,
            capture_output=True,
        )
    for adapter in Path("/sys/class/i2c-dev").glob("i2c-*"):
        node = Path("/dev") / adapter.name
        if "stub" in (adapter / "name").read_text().lower():
            with SMBus(str(node)) as bus:
                return node if I2cFunc.I2C in bus.funcs else None
    return None


@pytest.fixture(params=["sim", "linux"])
def board(request: pytest.FixtureRequest) -> Iterator[Board]:
    if request.param == "linux":
        node = _kernel_bus()
        if node is None:
            pytest.skip("this kernel offers no i2c-stub that takes raw I2C messages")
        yield LinuxBoard(LinuxConfig(buses={"i2c-1": node}))
        return
    sim = SimBoard()
    sim.add_device("i2c-1", PRESENT, Memory())
    yield sim
    sim.close()


def test_what_was_written_is_read_back(board: Board) -> None:
    with board.open_i2c("i2c-1", PRESENT) as device:
        device.transfer([Write(b"\x10\xbe\xef")])
        assert device.transfer([Write(b"\x10"), Read(2)]) == [b"\xbe\xef"]


def test_a_combined_transaction_answers_each_read_in_order(board: Board) -> None:
    with board.open_i2c("i2c-1", PRESENT) as device:
        device.transfer([Write(b"\x20\x01\x02\x03\x04")])
        answers = device.transfer([Write(b"\x20"), Read(1), Write(b"\x22"), Read(2)])
    assert answers == [b"\x01", b"\x03\x04"]


def test_an_address_where_nothing_sits_is_no_device(board: Board) -> None:
    with board.open_i2c("i2c-1", ABSENT) as device, pytest.raises(NoDeviceError):
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
def test_a_transaction_past_a_limit_is_refused(board: Board, messages: list[Read | Write]) -> None:
    with (
        board.open_i2c("i2c-1", PRESENT) as device,
        pytest.raises(ValueError, match=r"1 to|at most"),
    ):
        device.transfer(messages)


def test_an_address_has_one_owner_until_it_is_closed(board: Board) -> None:
    device = board.open_i2c("i2c-1", PRESENT)
    with pytest.raises(ResourceBusyError):
        board.open_i2c("i2c-1", PRESENT)
    board.open_i2c("i2c-1", ABSENT).close()
    device.close()
    device.close()
    with pytest.raises(ClosedError):
        device.transfer([Read(1)])
    board.open_i2c("i2c-1", PRESENT).close()


def test_an_unknown_bus_is_answered_with_those_that_exist(board: Board) -> None:
    with pytest.raises(ResourceNotFoundError, match="i2c-1"):
        board.open_i2c("i2c-9", PRESENT)


def test_a_reserved_address_is_refused(board: Board) -> None:
    with pytest.raises(ResourceNotFoundError, match="0x08 to 0x77"):
        board.open_i2c("i2c-1", 0x03)
