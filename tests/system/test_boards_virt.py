"""What a virtual board gives to a test, shown on the quick machine."""

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from qemu.board import NO_RTC, VIRT, Board, Fittings, Machine, Media, Programs
from qemu.board.errors import (
    BootError,
    DeadlineError,
    GuestError,
    MachineError,
    MonitorError,
    PowerError,
)

pytestmark = pytest.mark.qemu
BASE = b"as it was".ljust(1 << 20, b"\0")

# The kernel drops what comes while nobody holds the port open.
TALK = b"""exec 3<>$1
stty raw -echo <&3
echo ready >&3
read -r line <&3
echo heard $line >&3
"""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = tmp_path_factory.mktemp("disk") / "base, with a comma.img"
    image.write_bytes(BASE)
    return image


@pytest.fixture(scope="module")
def shared(
    board_programs: Programs, board_media: Callable[[Machine], Media], disk: Path
) -> Iterator[Board]:
    """One board for the tests that leave nothing behind."""
    media = msgspec.structs.replace(board_media(VIRT), disk=disk)
    with Board(VIRT, media, board_programs, Fittings(ports=("gps",), watchdog=True)) as made:
        made.power_on()
        yield made


def test_a_command_gives_its_output_and_status(shared: Board) -> None:
    done = shared.run("echo one; echo two >&2; exit 3")
    assert (done.output, done.status) == ("one\ntwo\n", 3)
    assert shared.check("uname -m") == "aarch64"


def test_no_command_breaks_the_ones_after_it(shared: Board) -> None:
    assert shared.run("if then").status == 2
    assert shared.run("cat").output == ""
    assert shared.run("printf 'no newline'").output == "no newline"
    with pytest.raises(GuestError, match="ended with 1 and said 'why"):
        shared.check("echo why; false")
    with pytest.raises(DeadlineError, match=r"within 0\.2 s"):
        shared.run("sleep 1", within=0.2)
    assert shared.check("echo still here") == "still here"


def test_files_go_in_and_out_byte_for_byte(shared: Board) -> None:
    data = bytes(range(256)) * 100
    shared.put("/tmp/it's a file", data)
    assert shared.get("/tmp/it's a file") == data
    shared.put("/tmp/tool", b"#!/bin/sh\necho ran\n", executable=True)
    assert shared.check("/tmp/tool") == "ran"
    with pytest.raises(GuestError, match="No such file"):
        shared.get("/tmp/none")


def test_a_port_of_the_guest_is_reached_until_the_cable_is_out(shared: Board) -> None:
    shared.check("(while :; do echo served | nc -l -p 7000; done) >/dev/null 2>&1 &")

    def ask() -> bytes:
        shared.check("until netstat -lnt | grep -q :7000; do usleep 10000; done")
        with socket.create_connection(("127.0.0.1", shared.forward(7000)), 20) as to_guest:
            to_guest.settimeout(20)
            return to_guest.recv(100)

    assert ask() == b"served\n"
    assert shared.run("ping -c 1 -W 5 10.0.2.2").status == 0
    with shared.partition():
        assert shared.run("ping -c 1 -W 1 10.0.2.2").status == 1
    assert shared.run("ping -c 3 -W 5 10.0.2.2").status == 0
    assert ask() == b"served\n"


def test_a_serial_port_leads_out_of_the_guest(shared: Board) -> None:
    shared.put("/tmp/talk", TALK)
    with shared.open_port("gps") as far, far.makefile("rwb") as lines:
        shared.check("sh /tmp/talk /dev/ttyS0 >/dev/null 2>&1 &")
        assert lines.readline() == b"ready\n"
        lines.write(b"$GPGGA\n")
        lines.flush()
        assert lines.readline() == b"heard $GPGGA\n"


def test_a_gpio_line_shows_outside_what_the_guest_drives(shared: Board) -> None:
    chip = shared.check("basename /sys/class/gpio/gpiochip*").removeprefix("gpiochip")
    line = int(chip) + 5
    shared.check(f"echo {line} >/sys/class/gpio/export")
    for level, driven in (("high", True), ("low", False)):
        shared.check(f"echo {level} >/sys/class/gpio/gpio{line}/direction")
        assert shared.gpio_level(5) is driven
        with pytest.raises(MachineError, match="it is an output"):
            shared.drive_gpio(5, level=True)
    shared.check(f"echo {line} >/sys/class/gpio/unexport")


def test_a_gpio_line_takes_what_the_test_drives_and_interrupts_the_guest(shared: Board) -> None:
    chip = shared.check("basename /sys/class/gpio/gpiochip*").removeprefix("gpiochip")
    line = int(chip) + 6
    shared.check(f"echo {line} >/sys/class/gpio/export")
    shared.check(f"echo both >/sys/class/gpio/gpio{line}/edge")
    for count, level in enumerate((True, False, True), start=1):
        shared.drive_gpio(6, level=level)
        assert shared.gpio_level(6) is level
        assert shared.check(f"cat /sys/class/gpio/gpio{line}/value") == f"{level:d}"
        seen = shared.check("grep 'pl061 *6 ' /proc/interrupts")
        assert sum(map(int, seen.split()[1:3])) == count
    shared.check(f"echo {line} >/sys/class/gpio/unexport")
    shared.drive_gpio(6, level=False)


def test_the_clock_jumps_forward_and_back(shared: Board) -> None:
    for unix_seconds, year in ((2_000_000_000, "2033"), (86_400, "1970"), (1_800_000_000, "2027")):
        shared.set_clock(unix_seconds)
        assert shared.check("date -u +%Y") == year


def test_the_monitor_tells_why_it_refuses(shared: Board) -> None:
    with pytest.raises(MonitorError, match=r"set_link: .*nowhere"):
        shared.monitor("set_link", name="nowhere", up=False)


@pytest.mark.board("virt", rtc=NO_RTC)
def test_a_board_without_a_clock_starts_in_1970_and_off_it_takes_no_command(board: Board) -> None:
    assert board.check("date +%Y") == "1970"
    board.power_cut()
    with pytest.raises(PowerError, match="off"):
        board.run("true")


def test_a_disk_outlives_a_power_cut_but_its_image_is_never_written(
    shared: Board, disk: Path
) -> None:
    assert shared.check("head -c 9 /dev/vda") == "as it was"
    shared.check("printf changed | dd of=/dev/vda conv=fsync")
    shared.power_cycle()
    assert shared.check("head -c 7 /dev/vda") == "changed"
    assert disk.read_bytes() == BASE


def test_a_starved_watchdog_resets_the_board(shared: Board) -> None:
    shared.check("watchdog -T 2 -t 60 /dev/watchdog")
    assert shared.wait_event("WATCHDOG").data["action"] == "reset"
    shared.expect_line(r"board is up after [\d.]+ s", within=VIRT.boot_s)


@pytest.mark.board(power=False)
def test_a_board_that_never_comes_up_misses_its_deadline(board: Board) -> None:
    with pytest.raises(DeadlineError, match=re.escape("no 'never said'")):
        board.power_on(ready="never said", within=0.5)
    assert not board.is_on


@pytest.mark.board(power=False, kernel=Path("/nowhere/vmlinuz"))
def test_qemus_own_complaint_is_told(board: Board) -> None:
    with pytest.raises((BootError, MonitorError)) as caught:
        board.power_on()
    assert any("/nowhere/vmlinuz" in note for note in caught.value.__notes__)


@pytest.mark.board("virt-uboot")
def test_u_boot_finds_kernel_and_initramfs_on_the_disk(board: Board) -> None:
    assert "Found U-Boot script /boot.scr" in board.log
    assert board.check("cat /proc/cmdline").startswith("console=ttyAMA0")
    board.check("printf mine | dd of=/dev/vda bs=1 seek=1000000 conv=notrunc,fsync")
    board.power_cycle()
    assert board.check("dd if=/dev/vda bs=1 skip=1000000 count=4 2>/dev/null") == "mine"
