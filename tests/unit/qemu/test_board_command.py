"""QEMU's arguments, layers and what its human monitor prints: values in, values out."""

from pathlib import Path

import msgspec
import pytest

from qemu.board import RASPI3B, VIRT, Fittings, Machine, Media, Tmp105, machine_named
from qemu.board.command import Sockets, qemu_arguments
from qemu.board.disk import layer_size
from qemu.board.errors import MachineError, MonitorError
from qemu.board.hostview import forwarded_port, word_at
from qemu.board.machine import DiskBus
from qemu.board.shell import LINE_LIMIT, typed

SOCKETS = Sockets(console=7, monitor=9, channel=11, folder=Path("/run/b"))
MEDIA = Media(kernel=Path("/k/vmlinuz"), initrd=Path("/k/initrd"), append=("quiet",))


def arguments(machine: Machine, disk: Path | None = None, **fittings: object) -> str:
    fitted = msgspec.convert(fittings, Fittings)
    return " ".join(qemu_arguments(machine, MEDIA, fitted, SOCKETS, disk))


def test_console_and_monitor_are_inherited_and_the_console_is_logged() -> None:
    said = arguments(VIRT)
    assert "socket,id=console,fd=7,logfile=/run/b/console.log,logappend=on" in said
    assert "-chardev socket,id=monitor,fd=9 -mon chardev=monitor,mode=control" in said


def test_the_kernel_learns_its_console() -> None:
    assert "-append console=ttyAMA0,115200 quiet" in arguments(VIRT)


def test_a_disk_hangs_where_the_machine_has_it() -> None:
    odd = Path("/run/a,b.qcow2")
    assert "file=/run/a,,b.qcow2,format=qcow2,id=disk,if=none" in arguments(VIRT, odd)
    assert "-drive file=/run/a,,b.qcow2,format=raw,id=disk,if=sd" in arguments(RASPI3B, odd)


def test_forwards_take_whatever_port_is_free() -> None:
    assert "hostfwd=tcp:127.0.0.1:0-:22" in arguments(VIRT, forward=(22,))


def test_serial_ports_wait_for_nobody() -> None:
    end = "path=/run/b/port-gps.sock,server=on,wait=off"
    assert f"{end} -device pci-serial,chardev=port-gps" in arguments(VIRT, ports=("gps",))
    assert f"{end} -serial chardev:port-gps" in arguments(RASPI3B, ports=("gps",))


def test_a_sensor_sits_on_the_first_bus_unless_told() -> None:
    said = " ".join(qemu_arguments(RASPI3B, MEDIA, Fittings(sensors=(Tmp105(),)), SOCKETS, None))
    assert "-device tmp105,id=tmp105,bus=i2c-bus.1,address=0x48" in said


@pytest.mark.parametrize(
    ("machine", "fittings", "why"),
    [
        (VIRT, Fittings(sensors=(Tmp105(),)), "virt has no I2C bus"),
        (RASPI3B, Fittings(sensors=(Tmp105(bus="i2c-9"),)), "no bus 'i2c-9'; there are i2c-bus.1"),
        (RASPI3B, Fittings(watchdog=True), "no watchdog of raspi3b"),
        (RASPI3B, Fittings(ports=("a", "b")), "raspi3b takes 1 more"),
    ],
)
def test_what_a_machine_lacks_is_refused(machine: Machine, fittings: Fittings, why: str) -> None:
    with pytest.raises(MachineError, match=why):
        qemu_arguments(machine, MEDIA, fittings, SOCKETS, None)


def test_an_unknown_machine_is_answered_with_those_there_are() -> None:
    with pytest.raises(MachineError, match="'pdp11'; there are virt, virt-uboot, raspi3b"):
        machine_named("pdp11")


def test_an_sd_card_has_a_power_of_two_and_any_disk_whole_sectors() -> None:
    assert [layer_size(size, DiskBus.SD) for size in (1, 512, 513, 1 << 20)] == [
        512,
        512,
        1024,
        1 << 20,
    ]
    assert [layer_size(size, DiskBus.VIRTIO) for size in (1, 512, 513)] == [512, 512, 1024]


def test_the_hosts_port_is_read_from_the_monitor() -> None:
    said = (
        "Hub -1 (net0):\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port\n"
        "  TCP[HOST_FORWARD]  19       127.0.0.1 44771       10.0.2.15    80     0     0\n"
        "  TCP[ESTABLISHED]   20       127.0.0.1 44772       10.0.2.15    22     0     0\n"
    )
    assert forwarded_port(said, 80) == 44771
    assert forwarded_port(said, 22) is None


def test_a_word_is_read_from_the_monitor() -> None:
    assert word_at("000000003f200034: 0x00020000\r\n") == 1 << 17
    with pytest.raises(MonitorError, match="cannot read there"):
        word_at("Cannot access memory")


def test_a_command_that_no_terminal_passes_on_is_refused() -> None:
    for command in ("x" * LINE_LIMIT, "two\nlines"):
        with pytest.raises(ValueError, match="put"):
            typed(command, "m")
