"""Which port a microcontroller is at, in trees laid out as the kernel's."""

from pathlib import Path

import pytest

from hal.errors import ResourceNotFoundError
from hal.link.find import Where, find


class Tree:
    """/sys and /dev of a machine."""

    def __init__(self, place: Path) -> None:
        self.sys, self.dev = place / "sys", place / "dev"
        (self.sys / "class/tty").mkdir(parents=True)
        self.dev.mkdir()

    def usb(self, tty: str, port: str, usb: str, serial: str | None) -> None:
        """A device with one serial port on its second interface, as CDC ACM has it."""
        device = self.sys / f"devices/platform/usb1/{port}"
        interface = device / f"{port}:1.1"
        (interface / f"tty/{tty}").mkdir(parents=True)
        vendor, product = usb.split(":")
        (device / "idVendor").write_text(f"{vendor}\n")
        (device / "idProduct").write_text(f"{product}\n")
        if serial is not None:
            (device / "serial").write_text(f"{serial}\n")
        (interface / f"tty/{tty}/device").symlink_to(interface)
        (self.sys / "class/tty" / tty).symlink_to(interface / f"tty/{tty}")

    def uart(self, tty: str) -> None:
        """A port of the board itself."""
        uart = self.sys / f"devices/platform/serial/tty/{tty}"
        uart.mkdir(parents=True)
        (uart / "device").symlink_to(uart.parent.parent)
        (self.sys / "class/tty" / tty).symlink_to(uart)

    def find(self, where: Where) -> Path:
        return find(where, self.sys, self.dev)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path)
    made.uart("ttyAMA0")
    made.usb("ttyACM0", "1-1", "2e8a:000a", "E661")
    made.usb("ttyACM1", "1-2", "2e8a:000a", "E662")
    made.usb("ttyUSB0", "1-3", "10c4:ea60", None)
    (tmp_path / "sys/class/tty/tty0").mkdir()
    return made


def test_a_device_is_found_by_usb_id_and_serial_number(tree: Tree):
    assert tree.find(Where(usb="10c4:ea60")) == tree.dev / "ttyUSB0"
    assert tree.find(Where(serial_number="E662")) == tree.dev / "ttyACM1"
    assert tree.find(Where(usb="2e8a:000a", serial_number="E661")) == tree.dev / "ttyACM0"


def test_a_device_that_comes_back_under_another_name_is_found_there(tree: Tree):
    (tree.sys / "class/tty/ttyACM0").rename(tree.sys / "class/tty/ttyACM7")
    assert tree.find(Where(serial_number="E661")) == tree.dev / "ttyACM7"


def test_two_that_fit_are_not_guessed_between(tree: Tree):
    with pytest.raises(ResourceNotFoundError, match="tell them apart by serial-number"):
        tree.find(Where(usb="2e8a:000a"))


def test_one_that_is_not_there_is_named_as_it_was_looked_for(tree: Tree, tmp_path: Path):
    with pytest.raises(ResourceNotFoundError, match="USB id 2e8a:000a with serial number E999"):
        tree.find(Where(usb="2e8a:000a", serial_number="E999"))
    with pytest.raises(ResourceNotFoundError, match="nothing is plugged in there"):
        tree.find(Where(device=tmp_path / "ttyS9"))
