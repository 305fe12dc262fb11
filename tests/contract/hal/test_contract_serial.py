"""What every serial backend keeps: one suite over pty pairs, so real bytes cross a real tty."""

import os
import select
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from hal.board import Board
from hal.errors import BusError, ClosedError, ResourceBusyError, ResourceNotFoundError
from hal.linux.board import LinuxBoard, LinuxConfig
from hal.serial import SerialConfig, SerialPort
from hal.sim import PortState, SimBoard

CONFIG = SerialConfig(baudrate=115200)
PATIENCE = 10.0


class Far(Protocol):
    board: Board

    def send(self, data: bytes) -> None: ...
    def receive(self, length: int) -> bytes: ...
    def hang_up(self) -> None: ...


class SimFar:
    def __init__(self) -> None:
        self.board = SimBoard()
        self.board.add_port("serial0")

    def send(self, data: bytes) -> None:
        self.board.drive("serial0", send=data.decode("latin-1"))

    def receive(self, length: int) -> bytes:
        def arrived(state: object) -> bytes:
            assert isinstance(state, PortState)
            return state.received

        assert self.board.wait_for(lambda s: len(arrived(s["serial0"])) >= length, PATIENCE)
        return arrived(self.board.observe()["serial0"])

    def hang_up(self) -> None:
        self.board.close()


class PtyFar:
    def __init__(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self._slave = slave
        ports = {"serial0": Path(os.ttyname(slave))}
        self.board = LinuxBoard(LinuxConfig(ports=ports))

    def send(self, data: bytes) -> None:
        os.write(self._master, data)

    def receive(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            assert select.select([self._master], [], [], PATIENCE)[0]
            data += os.read(self._master, length - len(data))
        return data

    def hang_up(self) -> None:
        for fd in (self._master, self._slave):
            if fd >= 0:
                os.close(fd)
        self._master = self._slave = -1


@pytest.fixture(params=[SimFar, PtyFar], ids=["sim", "linux"])
def far(request: pytest.FixtureRequest) -> Iterator[Far]:
    made = request.param()
    yield made
    made.hang_up()


def read_exactly(port: SerialPort, length: int) -> bytes:
    data = b""
    while len(data) < length:
        assert select.select([port], [], [], PATIENCE)[0]
        data += port.read(length - len(data))
    return data


def test_bytes_arrive_unchanged(far: Far) -> None:
    every_ascii = bytes(range(128))
    with far.board.open_serial("serial0", CONFIG) as port:
        far.send(every_ascii)
        assert read_exactly(port, len(every_ascii)) == every_ascii


def test_reading_an_idle_port_gives_nothing_and_does_not_block(far: Far) -> None:
    with far.board.open_serial("serial0", CONFIG) as port:
        assert port.read() == b""
        assert not select.select([port], [], [], 0)[0]


def test_a_read_takes_no_more_than_its_limit(far: Far) -> None:
    with far.board.open_serial("serial0", CONFIG) as port:
        far.send(b"abcdef")
        assert read_exactly(port, 1) == b"a"
        assert read_exactly(port, 5) == b"bcdef"


def test_what_is_written_reaches_the_far_end_whole(far: Far) -> None:
    every_byte = bytes(range(256))
    with far.board.open_serial("serial0", CONFIG) as port:
        assert port.write(every_byte, timeout=PATIENCE) == len(every_byte)
        assert far.receive(len(every_byte)) == every_byte


def test_a_port_has_one_owner_until_it_is_closed(far: Far) -> None:
    port = far.board.open_serial("serial0", CONFIG)
    with pytest.raises(ResourceBusyError):
        far.board.open_serial("serial0", CONFIG)
    port.close()
    port.close()
    far.board.open_serial("serial0", CONFIG).close()


def test_a_closed_port_says_so(far: Far) -> None:
    port = far.board.open_serial("serial0", CONFIG)
    port.close()
    for use in (port.read, port.fileno, lambda: port.write(b"x", timeout=0)):
        with pytest.raises(ClosedError):
            use()


def test_a_device_that_is_gone_is_readable_and_then_an_error(far: Far) -> None:
    with far.board.open_serial("serial0", CONFIG) as port:
        far.hang_up()
        assert select.select([port], [], [], PATIENCE)[0]
        with pytest.raises(BusError):
            port.read()
        with pytest.raises(BusError):
            port.write(b"x", timeout=0)


def test_an_unknown_port_is_answered_with_those_that_exist(far: Far) -> None:
    with pytest.raises(ResourceNotFoundError, match="serial0"):
        far.board.open_serial("modem", CONFIG)


def test_a_full_line_takes_what_it_can_before_the_timeout() -> None:
    far = PtyFar()
    flood = bytes(1 << 20)
    with far.board.open_serial("serial0", CONFIG) as port:
        # The kernel makes a little room again while it moves bytes on; then the line is full.
        taken = list(iter(lambda: port.write(flood, timeout=0), 0))
        assert 0 < sum(taken) < len(flood)
    far.hang_up()
