"""The faithful machine: a Raspberry Pi 3 with a sensor on its I2C bus."""

import pytest

from qemu.board import Board, Eeprom, Tmp105
from qemu.board.errors import MachineError

pytestmark = pytest.mark.qemu
# The kernel drops what comes while nobody holds the port open.
TALK = b"""exec 3<>$1
stty raw -echo <&3
echo ready >&3
read -r line <&3
echo heard $line >&3
"""


@pytest.mark.board("raspi3b", sensors=(Tmp105(),), eeproms=(Eeprom(),), ports=("mcu",))
def test_a_raspberry_pi_feels_what_the_test_makes_it_feel(board: Board) -> None:
    sensor = board.sensor()
    for celsius, word in ((36.5, "0x8024"), (-10.0, "0x00f6")):
        sensor.celsius = celsius
        assert sensor.celsius == celsius
        assert board.check("i2cget -y 1 0x48 0 w") == word

    chips = board.check("grep -l pinctrl-bcm2835 /sys/class/gpio/*/label")
    line = 17 + int(board.check(f"cat {chips.removesuffix('label')}base"))
    board.check(f"echo {line} >/sys/class/gpio/export")
    for level, driven in (("high", True), ("low", False)):
        board.check(f"echo {level} >/sys/class/gpio/gpio{line}/direction")
        assert board.gpio_level(17) is driven
        with pytest.raises(MachineError, match="it is an output"):
            board.drive_gpio(17, level=True)
    board.check(f"echo in >/sys/class/gpio/gpio{line}/direction")
    for level in (True, False):
        board.drive_gpio(17, level=level)
        assert board.check(f"cat /sys/class/gpio/gpio{line}/value") == f"{level:d}"

    board.check("i2cset -y 1 0x50 0x10 0xbe 0xef i")
    assert board.check("i2cget -y 1 0x50 0x11") == "0xef"

    board.put("/tmp/talk", TALK)
    with board.open_port("mcu") as far, far.makefile("rwb") as lines:
        board.check("sh /tmp/talk /dev/ttyS1 >/dev/null 2>&1 &")
        # The driver sends one character of its own when it finds the port.
        assert lines.readline().endswith(b"ready\n")
        lines.write(b"hello\n")
        lines.flush()
        assert lines.readline() == b"heard hello\n"

    assert board.run("ping -c 1 -W 5 10.0.2.2").status == 0
    with board.partition():
        assert board.run("ping -c 1 -W 1 10.0.2.2").status == 1
