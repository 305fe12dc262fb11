"""Board files: what they make, and that each mistake is named by its key."""

import os
from pathlib import Path

import pytest

from hal.board import AttachingBoard, Board, DrivenBoard
from hal.boardfile import load_board
from hal.errors import BoardFileError, DeviceGoneError, ResourceNotFoundError
from hal.gpio import Direction, LineConfig
from hal.i2c import Read, Write
from hal.linux.board import LinuxBoard
from hal.serial import SerialConfig
from hal.sim import SimBoard


def written(directory: Path, text: str) -> Path:
    path = directory / "board.toml"
    path.write_text(text)
    return path


def board_of(directory: Path, text: str) -> Board:
    return load_board(written(directory, text))


def test_a_simulated_board_has_the_parts_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "hello.txt").write_text("hello\n")
    board = board_of(
        tmp_path,
        """
        name = "bench"
        [gpio.GPIO4]
        level = 1
        [[i2c.i2c-1.devices]]
        model = "tmp105"
        address = 0x48
        values = { temperature = -5 }
        [serial.serial0]
        play = "hello.txt"
        """,
    )
    assert isinstance(board, SimBoard)
    assert board.name == "bench"
    assert board.resources() == ["GPIO4", "i2c-1", "serial0"]
    with board.open_line("GPIO4", LineConfig(Direction.INPUT)) as line:
        assert line.read() is True
    with board.open_i2c("i2c-1", 0x48) as device:
        assert device.transfer([Write(b"\x03"), Read(2)]) == [b"\x50\x00"]
    assert board.observe()["i2c-1:0x48"].values == {"temperature": -5}
    board.close()


def test_a_hybrid_board_mixes_a_real_port_with_simulated_lines(tmp_path: Path) -> None:
    master, slave = os.openpty()
    board = board_of(
        tmp_path,
        f"""
        [gpio.GPIO4]
        [serial.modem]
        kind = "linux"
        device = "{os.ttyname(slave)}"
        """,
    )
    assert isinstance(board, DrivenBoard)
    assert board.resources() == ["GPIO4", "modem"]
    with board.open_serial("modem", SerialConfig()) as port:
        assert port.write(b"AT", timeout=1) == 2
    assert os.read(master, 10) == b"AT"
    board.drive("GPIO4", level=1)
    assert board.open_line("GPIO4", LineConfig(Direction.INPUT)).read() is True
    os.close(master)
    os.close(slave)


def test_a_linux_board_needs_no_simulation(tmp_path: Path) -> None:
    board = board_of(tmp_path, 'kind = "linux"\n[i2c.i2c-1]\n')
    assert isinstance(board, LinuxBoard)
    assert board.resources() == ["i2c-1"]


DEVICE = '[[i2c.i2c-1.devices]]\nmodel = "tmp105"\naddress = 0x48\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not TOML"),
        ("nmae = 'x'", "nmae"),
        ("[gpio.A]\nlevel = 3", r"gpio\.A\.level"),
        ("[gpio.A]\ncolour = 1", r"gpio\.A: .*colour"),
        ("[gpio.A]\nchip = 'x'", r"gpio\.A\.chip: has no meaning for kind 'sim'"),
        ("[gpio.A]\nkind = 'linux'", r"gpio\.A\.chip: missing"),
        ("[gpio.A]\nkind = 'moon'", r"gpio\.A\.kind: .*moon"),
        ("[gpio.'a b']", r"gpio\.'a b': a name has"),
        (DEVICE.replace("0x48", "0x03"), r"devices\[0\]\.address: .*0x08 to 0x77"),
        (DEVICE.replace("0x48", "'0x48'"), r"devices\[0\]\.address: Expected `int`"),
        (DEVICE.replace("tmp105", "tmp999"), r"devices\[0\]\.model: .*tmp105"),
        (DEVICE + "values = { temperature = 900 }", r"devices\[0\]\.values: .*-55 to 128 Cel"),
        (DEVICE + "values = { wind = 1 }", r"devices\[0\]\.values: .*measures temperature"),
        (DEVICE + DEVICE, r"devices\[1\]\.address: 0x48 is taken"),
        ("[serial.A]\nplay = 'nothing.txt'", r"serial\.A\.play: nothing\.txt: No such file"),
        ("[serial.A]\nkind = 'linux'", r"serial\.A\.device: missing"),
        ("[serial.A]\nrate = 0", r"serial\.A\.rate"),
        ("[gpio.A]\n[serial.A]", "A: names two parts"),
    ],
)
def test_a_mistake_is_named_by_its_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BoardFileError, match=message):
        board_of(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BoardFileError, match=r"none\.toml: No such file"):
        load_board(tmp_path / "none.toml")


def test_a_board_has_its_microcontrollers_by_their_names(tmp_path: Path) -> None:
    board = board_of(
        tmp_path,
        """
        [gpio.GPIO4]
        [mcu.pico]
        usb = "2e8a:000a"
        [mcu.pico.config]
        safe_after = 2000
        [mcu.shed]
        device = "/nonexistent"
        """,
    )
    assert isinstance(board, AttachingBoard)
    assert isinstance(board, DrivenBoard)
    assert board.resources() == ["GPIO4"]
    assert board.awaits("pico.GPIO1")
    assert not board.awaits("GPIO5")
    assert not board.awaits("picos.GPIO1")
    board.attach()
    for name, why in (("pico", "has not been met|no serial port has USB id"), ("shed", "shed")):
        with pytest.raises(DeviceGoneError, match=why):
            board.open_line(f"{name}.GPIO1", LineConfig(Direction.INPUT))
    with pytest.raises(ResourceNotFoundError, match="there are: GPIO4"):
        board.open_line("GPIO5", LineConfig(Direction.INPUT))
    board.close()
    board.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[mcu.Pico]\nusb = '2e8a:000a'", r"mcu\.Pico\.name: a microcontroller's has a-z"),
        ("[mcu.pico]", r"mcu\.pico\.device: give the port's node"),
        ("[mcu.pico]\ndevice = '/dev/x'\nusb = '2e8a:000a'", r"mcu\.pico\.device: give"),
        ("[mcu.pico]\nusb = '2E8A:A'", r"mcu\.pico\.usb: vendor and product"),
        ("[mcu.pico]\nbaudrate = 5", r"mcu\.pico\.baudrate"),
        (
            "[mcu.pico]\nusb = '2e8a:000a'\nconfig = { buses = { b = { scl = 'A' } } }",
            r"mcu\.pico\.config\.buses\.b\.sda: is missing",
        ),
        (
            "[mcu.pico]\nusb = '2e8a:000a'\n[mcu.pico.config.properties]\n"
            + "\n".join(
                f"property-number-{n} = {{ kind = 'in', pin = 'GPIO{n}' }}" for n in range(25)
            ),
            r"mcu\.pico\.config: \d+ bytes as it is sent; at most 1000",
        ),
        ("[gpio.'pico.GPIO1']\n[mcu.pico]\nusb = '2e8a:000a'", r"pico\.GPIO1: a name that begins"),
    ],
)
def test_a_wrong_microcontroller_is_refused_by_its_key(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(BoardFileError, match=words):
        board_of(tmp_path, text)
