"""The driving side of a simulated board: what the world does, what the world sees."""

import select
from pathlib import Path

import pytest

from hal.board import Board, DrivenBoard
from hal.errors import BusError, BusTimeoutError, DriveError, NoDeviceError
from hal.gpio import Direction, LineConfig, Pull
from hal.i2c import Read, Write
from hal.serial import SerialConfig
from hal.sim import DeviceState, PortState, SimBoard, standard_board

PATIENCE = 10.0


@pytest.fixture
def board():
    made = SimBoard()
    made.add_line("GPIO4")
    made.add_line("GPIO17")
    made.add_device("i2c-1", 0x48, "tmp105")
    made.add_port("serial0")
    yield made
    made.close()


def test_it_is_a_board_that_can_be_driven(board: SimBoard) -> None:
    assert isinstance(board, Board)
    assert isinstance(board, DrivenBoard)
    assert board.resources() == ["GPIO17", "GPIO4", "i2c-1", "serial0"]


def test_a_floating_pin_follows_the_pull_of_its_owner(board: SimBoard) -> None:
    with board.open_line("GPIO4", LineConfig(Direction.INPUT, pull=Pull.UP)) as line:
        assert line.read() is True
        board.drive("GPIO4", level=0)
        assert line.read() is False
        board.drive("GPIO4", level="none")
        assert line.read() is True
    with board.open_line("GPIO4", LineConfig(Direction.INPUT, pull=Pull.DOWN)) as line:
        assert line.read() is False


def test_what_owners_do_to_pins_is_remembered_in_order(board: SimBoard) -> None:
    with board.open_line("GPIO17", LineConfig(Direction.OUTPUT, initial=True)) as line:
        line.write(value=False)
    states = [
        (change.target, change.state.level, change.state.direction) for change in board.changes()
    ]
    assert states == [
        ("GPIO17", True, Direction.OUTPUT),
        ("GPIO17", False, Direction.OUTPUT),
        ("GPIO17", False, None),
    ]


def test_one_waits_for_what_an_output_does(board: SimBoard) -> None:
    with board.open_line("GPIO17", LineConfig(Direction.OUTPUT)) as line:
        line.write(value=True)
        assert board.wait_for(lambda seen: seen["GPIO17"].level, PATIENCE)
        assert not board.wait_for(lambda seen: not seen["GPIO17"].level, 0)


@pytest.mark.parametrize(
    ("fault", "error"), [("nak", NoDeviceError), ("timeout", BusTimeoutError), ("error", BusError)]
)
def test_the_next_transactions_fail_as_asked_and_then_no_more(
    board: SimBoard, fault: str, error: type[BusError]
) -> None:
    device = board.open_i2c("i2c-1", 0x48)
    board.drive("i2c-1:0x48", fail=fault, times="2")
    for _ in range(2):
        with pytest.raises(error) as raised:
            device.transfer([Read(1)])
        assert raised.type is error
        assert raised.value.errno
    assert device.transfer([Write(b"\x02"), Read(2)]) == [b"\x4b\x00"]


def test_a_device_can_be_unplugged_and_plugged_in_again(board: SimBoard) -> None:
    device = board.open_i2c("i2c-1", 0x48)
    board.drive("i2c-1:0x48", present="0")
    with pytest.raises(NoDeviceError):
        device.transfer([Read(1)])
    board.drive("i2c-1:0x48", present=True)
    device.transfer([Read(1)])
    state = board.observe()["i2c-1:0x48"]
    assert isinstance(state, DeviceState)
    assert state.transactions == 2


def test_a_recording_is_played_into_the_port_from_its_start_when_it_is_opened(
    board: SimBoard,
) -> None:
    recording = b"".join(b"line %d\r\n" % number for number in range(50))
    board.play_when_opened("serial0", recording, rate=1e6)
    for _ in range(2):
        with board.open_serial("serial0", SerialConfig()) as port:
            heard = b""
            while len(heard) < len(recording):
                assert select.select([port], [], [], PATIENCE)[0]
                heard += port.read()
            assert heard == recording


def test_a_recording_repeats_when_asked(board: SimBoard, tmp_path: Path) -> None:
    recording = tmp_path / "tick"
    recording.write_bytes(b"tick\n")
    with board.open_serial("serial0", SerialConfig()) as port:
        board.drive("serial0", play=str(recording), rate=1e5, repeat=1)
        heard = b""
        while heard.count(b"tick\n") < 3:
            assert select.select([port], [], [], PATIENCE)[0]
            heard += port.read()
    state = board.observe()["serial0"]
    assert isinstance(state, PortState)
    assert state.sent >= 15


@pytest.mark.parametrize(
    ("target", "values", "message"),
    [
        ("GPIO99", {"level": 1}, "nothing named 'GPIO99'.*GPIO17"),
        ("GPIO4", {"level": 2}, "GPIO4: level=2 is neither 0 nor 1"),
        ("GPIO4", {"speed": 2}, "GPIO4: speed: takes level"),
        ("GPIO4", {}, "nothing to drive"),
        ("i2c-1:0x49", {"temperature": 1}, "nothing named"),
        ("i2c-1:0x48", {"temperature": "warm"}, "temperature='warm' is not a number"),
        ("i2c-1:0x48", {"temperature": 1000}, "i2c-1:0x48: temperature=1000 is out of range"),
        ("i2c-1:0x48", {"humidity": 1}, "measures no 'humidity'; it measures temperature"),
        ("i2c-1:0x48", {"fail": "badly"}, "none of nak, timeout, error"),
        ("serial0", {"play": "/nowhere"}, "serial0: play: .*No such file"),
        ("serial0", {"play": "/dev/null", "rate": 0}, "rate=0 must be above 0"),
        ("serial0", {"sing": "a"}, "serial0: sing: takes play"),
    ],
)
def test_a_wrong_drive_names_what_is_wrong(
    board: SimBoard, target: str, values: dict[str, object], message: str
) -> None:
    with pytest.raises(DriveError, match=message):
        board.drive(target, **values)


def test_the_standard_board_has_something_of_everything() -> None:
    board = standard_board()
    assert {"GPIO0", "GPIO27", "i2c-1", "serial0"} <= set(board.resources())
    assert {"i2c-1:0x48", "i2c-1:0x76"} <= board.observe().keys()
    board.close()
    board.close()
