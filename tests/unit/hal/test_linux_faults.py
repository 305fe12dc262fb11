"""Errors of the operating system become ours in one place."""

import errno
from pathlib import Path

import pytest

from hal.errors import (
    AccessError,
    BusError,
    BusTimeoutError,
    HalError,
    NoDeviceError,
    PinDirectionError,
    ResourceBusyError,
    ResourceNotFoundError,
)
from hal.gpio import Direction, LineConfig
from hal.linux.board import LinuxBoard, LinuxConfig
from hal.linux.faults import opening, using
from hal.linux.gpio import LinePlace
from hal.serial import SerialConfig


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOENT, ResourceNotFoundError),
        (errno.ENODEV, ResourceNotFoundError),
        (errno.EBUSY, ResourceBusyError),
        (errno.EACCES, AccessError),
        (errno.EIO, BusError),
    ],
)
def test_a_fault_while_opening(number: int, error: type[HalError]) -> None:
    with pytest.raises(error, match="thing") as raised, opening("thing", "gpio"):
        raise OSError(number, "no")
    assert raised.type is error


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENXIO, NoDeviceError),
        (errno.EREMOTEIO, NoDeviceError),
        (errno.ETIMEDOUT, BusTimeoutError),
        (errno.EIO, BusError),
        (errno.EAGAIN, BusError),
    ],
)
def test_a_fault_while_using_keeps_its_number(number: int, error: type[BusError]) -> None:
    with pytest.raises(error) as raised, using("thing"):
        raise OSError(number, "no")
    assert raised.type is error
    assert raised.value.errno == number


def test_our_own_errors_pass_unchanged() -> None:
    with pytest.raises(PinDirectionError), using("thing"):
        raise PinDirectionError("thing is an input")


def test_the_group_is_named_when_permission_lacks() -> None:
    with pytest.raises(AccessError, match="group 'i2c'"), opening("i2c-1", "i2c"):
        raise PermissionError(errno.EACCES, "no")


def test_hardware_that_is_configured_but_missing_is_not_found(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    board = LinuxBoard(
        LinuxConfig(
            lines={"A": LinePlace(str(missing), 0), "B": LinePlace("no-such-chip", 0)},
            buses={"i2c-1": missing},
            ports={"serial0": missing},
        )
    )
    for name in ("A", "B"):
        with pytest.raises(ResourceNotFoundError):
            board.open_line(name, LineConfig(Direction.INPUT))
    for _ in range(2):  # a failed opening leaves no claim
        with pytest.raises(ResourceNotFoundError):
            board.open_i2c("i2c-1", 0x48)
    with pytest.raises(ResourceNotFoundError):
        board.open_serial("serial0", SerialConfig())


def test_a_node_that_is_no_serial_port_says_so() -> None:
    board = LinuxBoard(LinuxConfig(ports={"serial0": Path("/dev/null")}))
    with pytest.raises(BusError, match="Could not configure"):
        board.open_serial("serial0", SerialConfig())
