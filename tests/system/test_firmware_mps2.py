"""MicroPython on the microcontroller of CI: its port, its flash across power cuts, its watchdog."""

from pathlib import Path

import pytest

from boards.firmware import firmware
from boards.image.errors import BuildError
from boards.image.tools import run
from qemu.board import Programs
from tests.support.mcu import CACHE, FILES_AT, FLASH_BYTES, SLOTS_AT, mcu
from tests.support.node_end import NodeEnd
from tests.support.system import skerry

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]
SENSOR = """
from machine import Pin, SoftI2C
bus = SoftI2C(Pin("SCL3"), Pin("SDA3"))
"""


@pytest.fixture
def flash(tmp_path: Path) -> Path:
    return tmp_path / "flash"


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = firmware("mps2", CACHE, print)
    for kept in ("micropython", "sources"):
        (tmp_path / "cache").mkdir(exist_ok=True)
        (tmp_path / "cache" / kept).symlink_to(CACHE / kept)
    assert firmware("mps2", tmp_path / "cache", print).read_bytes() == first.read_bytes()


def test_the_command_says_what_the_firmware_takes_and_which_ports_there_are(
    tmp_path: Path,
) -> None:
    out = tmp_path / "made.elf"
    said = skerry("firmware", "build", "mps2", "-o", str(out), "--cache", str(CACHE)).stdout
    assert "KiB of flash" in said
    assert "ARM" in run(["readelf", "-h", out])
    refused = skerry("firmware", "build", "esp9", "--cache", str(CACHE), check=False)
    assert refused.returncode == 1
    assert "there are: mps2" in refused.stderr
    with pytest.raises(BuildError, match="there are: mps2"):
        firmware("esp9", CACHE, print)


def test_files_outlive_a_power_cut(board_programs: Programs, flash: Path) -> None:
    with mcu(board_programs, flash) as chip:
        assert chip.run("import machine; print(machine.reset_cause() == machine.PWRON_RESET)") == (
            "True\n"
        )
        chip.run("with open('/kept', 'w') as file: file.write('before the cut')")
    with mcu(board_programs, flash) as chip:
        assert chip.run("print(open('/kept').read())") == "before the cut\n"


def test_what_is_in_flash_and_is_no_file_system_is_left_alone(
    board_programs: Programs, flash: Path
) -> None:
    with flash.open("wb") as file:
        file.truncate(FLASH_BYTES)
        file.seek(FILES_AT)
        file.write(b"somebody's data" * 1000)
    before = flash.read_bytes()
    with mcu(board_programs, flash) as chip:
        chip.read_until(b"damaged, and left as it is")
        assert chip.run("import os; print(os.listdir('/'))") == "[]\n"
    assert flash.read_bytes()[:SLOTS_AT] == before[:SLOTS_AT]


def test_blocks_outside_of_the_file_system_cannot_be_reached(
    board_programs: Programs, flash: Path
) -> None:
    program = """
from mps2 import Flash
flash, one = Flash(), bytearray(1)
for block, offset in ((-1, 0), (256, 0), (255, 4096), (0, -1), (0, 1 << 20), (1 << 30, 0)):
    for does in (flash.readblocks, flash.writeblocks):
        try:
            does(block, one, offset)
            print("reached", block, offset)
        except OSError as error:
            pass
print("done")
"""
    with mcu(board_programs, flash) as chip:
        assert chip.run(program) == "done\n"


def test_a_sensor_on_the_bus_is_read(board_programs: Programs, flash: Path) -> None:
    read = SENSOR + "print(int.from_bytes(bus.readfrom_mem(0x48, 0, 2), 'big') / 256)"
    with mcu(board_programs, flash) as chip:
        chip.set_celsius(21.5)
        assert chip.run(SENSOR + "print(bus.scan())") == "[72]\n"
        assert float(chip.run(read)) == 21.5
        chip.set_celsius(-4.0)
        assert float(chip.run(read)) == 252.0, "two's complement, as the datasheet has it"


def test_pins_are_used_as_what_they_are(board_programs: Programs, flash: Path) -> None:
    program = """
from machine import Pin
led = Pin("LED0", Pin.OUT, value=1)
print(led, led.value(), Pin("BUTTON0", Pin.IN).value())
for wrong in (lambda: Pin("BUTTON0").on(), lambda: Pin("LED0", Pin.IN), lambda: Pin("GPIO9")):
    try:
        wrong()
    except ValueError as error:
        print(error)
"""
    with mcu(board_programs, flash) as chip:
        assert chip.run(program).splitlines() == [
            'Pin("LED0") 1 0',
            "pin: an input",
            "pin: it cannot be used that way",
            "pin: there is none of that name",
        ]


def test_a_program_that_hangs_is_ended_by_the_watchdog_and_that_is_told(
    board_programs: Programs, flash: Path
) -> None:
    with mcu(board_programs, flash) as chip:
        chip.start("from machine import WDT\nWDT(timeout=200)\nwhile True: pass")
        NodeEnd(chip.link).meet()  # it runs again
        told = chip.run("import machine; print(machine.reset_cause() == machine.WDT_RESET)")
        assert told == "True\n"


def test_a_program_that_feeds_its_watchdog_goes_on(board_programs: Programs, flash: Path) -> None:
    program = """
from machine import WDT
import time
dog = WDT(timeout=200)
for _ in range(20):
    time.sleep_ms(50)
    dog.feed()
print("alive")
"""
    with mcu(board_programs, flash) as chip:
        assert chip.run(program) == "alive\n"


def test_the_link_is_in_it_and_asyncio_runs(board_programs: Programs, flash: Path) -> None:
    program = """
import asyncio
from firmware.link import cbor, frame

async def main():
    await asyncio.sleep_ms(10)
    content = cbor.encode({"celsius": 21.5, "list": [1, None, b"x"]})
    (got,) = frame.Reader().feed(frame.encode(content))
    print(cbor.decode(got) == {"celsius": 21.5, "list": [1, None, b"x"]})

asyncio.run(main())
"""
    with mcu(board_programs, flash) as chip:
        assert chip.run(program) == "True\n"
