"""QEMU's argument list for a board: a pure function of values."""

from pathlib import Path

import msgspec

from qemu.board.disk import layer_format
from qemu.board.errors import MachineError
from qemu.board.machine import DiskBus, Eeprom, Fittings, Machine, Media, Tmp105

NETWORK = "net0"


class Sockets(msgspec.Struct, frozen=True, kw_only=True):
    """The board's ends: inherited descriptors for three of them, a folder for the rest."""

    console: int | None
    """None: this terminal, where Ctrl-A X ends QEMU."""
    monitor: int | None
    """None: the unix socket at `monitor_path`."""
    channel: int | None
    """None: nothing drives the board's inputs."""
    folder: Path

    def inherited(self) -> tuple[int, ...]:
        """The descriptors that QEMU must keep."""
        return tuple(end for end in (self.console, self.monitor, self.channel) if end is not None)


def qemu_arguments(
    machine: Machine, media: Media, fittings: Fittings, sockets: Sockets, disk: Path | None
) -> list[str]:
    """Everything after the program's name; raises MachineError when the machine has no such part.

    `disk` is what `make_layer` made: it takes the board's writes.
    """
    parts = [
        *("-machine", machine.model),
        *("-smp", str(machine.cores)),
        *("-m", str(fittings.memory_mb or machine.memory_mb)),
        *("-display", "none"),
        *("-nodefaults", "-no-user-config"),
        *("-rtc", f"base={fittings.rtc},clock=host"),
        *_console(sockets),
        *("-serial", "chardev:console"),
        *("-chardev", f"socket,id=monitor,{_monitor_end(sockets)}"),
        *("-mon", "chardev=monitor,mode=control"),
        *_test_channel(sockets),
    ]
    if machine.cpu:
        parts += ["-cpu", machine.cpu]
    parts += _media(machine, media)
    parts += _disk(machine, disk)
    parts += _network(machine, fittings)
    parts += _ports(machine, fittings, sockets.folder)
    parts += _i2c_devices(machine, fittings)
    parts += _watchdog(machine, fittings)
    return parts


def kernel_words(machine: Machine) -> tuple[str, ...]:
    """What every kernel on this machine is told."""
    return (f"console={machine.console},115200", *machine.append)


def log_path(folder: Path) -> Path:
    """Where QEMU writes all that the console says."""
    return folder / "console.log"


def port_path(folder: Path, name: str) -> Path:
    """The unix socket of a serial port."""
    return folder / f"port-{name}.sock"


def monitor_path(folder: Path) -> Path:
    """The unix socket of QEMU's monitor, where a board is not a test's."""
    return folder / "monitor.sock"


def _console(sockets: Sockets) -> list[str]:
    if sockets.console is None:
        return ["-chardev", "stdio,id=console,mux=on,signal=off"]
    log = _value(log_path(sockets.folder))
    end = f"fd={sockets.console},logfile={log},logappend=on"
    return ["-chardev", f"socket,id=console,{end}"]


def _monitor_end(sockets: Sockets) -> str:
    if sockets.monitor is None:
        return f"path={_value(monitor_path(sockets.folder))},server=on,wait=off"
    return f"fd={sockets.monitor}"


def _test_channel(sockets: Sockets) -> list[str]:
    if sockets.channel is None:
        return []
    end = f"socket,id=channel,fd={sockets.channel}"
    return ["-chardev", end, "-qtest", "chardev:channel", "-qtest-log", "none"]


def _media(machine: Machine, media: Media) -> list[str]:
    parts: list[str] = []
    for option, file in (
        ("-bios", media.firmware),
        ("-kernel", media.kernel),
        ("-initrd", media.initrd),
        ("-dtb", media.device_tree),
    ):
        if file is not None:
            parts += [option, str(file)]
    if media.kernel is not None:
        words = (*kernel_words(machine), *media.append)
        parts += ["-append", " ".join(words)]
    return parts


def _disk(machine: Machine, disk: Path | None) -> list[str]:
    if disk is None:
        return []
    drive = f"file={_value(disk)},format={layer_format(machine.disk)},id=disk"
    if machine.disk is DiskBus.SD:
        return ["-drive", f"{drive},if=sd"]
    return ["-drive", f"{drive},if=none", "-device", "virtio-blk-pci,drive=disk"]


def _network(machine: Machine, fittings: Fittings) -> list[str]:
    # Port 0: the host picks one that is free, and the monitor tells which.
    forwards = "".join(
        f",hostfwd=tcp:127.0.0.1:{host}-:{guest}"
        for host, guest in (*((0, port) for port in fittings.forward), *fittings.forward_from)
    )
    # A PCI card brings code to boot from, in a file that a pinned QEMU does not hold.
    no_code = ",romfile=" if machine.network.endswith("-pci") else ""
    return [
        *("-netdev", f"user,id={NETWORK}{forwards}"),
        *("-device", f"{machine.network},netdev={NETWORK}{no_code}"),
    ]


def _ports(machine: Machine, fittings: Fittings, folder: Path) -> list[str]:
    if len(fittings.ports) > machine.extra_ports:
        raise MachineError(f"{machine.name} takes {machine.extra_ports} more serial ports")
    parts: list[str] = []
    for name in fittings.ports:
        end = f"socket,id=port-{name},path={_value(port_path(folder, name))},server=on,wait=off"
        parts += ["-chardev", end]
        if machine.serial is None:
            parts += ["-serial", f"chardev:port-{name}"]
        else:
            parts += ["-device", f"{machine.serial},chardev=port-{name}"]
    return parts


def _i2c_devices(machine: Machine, fittings: Fittings) -> list[str]:
    parts: list[str] = []
    for sensor in fittings.sensors:
        parts += ["-device", f"tmp105,{_i2c_place(machine, sensor)}"]
    for eeprom in fittings.eeproms:
        parts += ["-device", f"at24c-eeprom,{_i2c_place(machine, eeprom)},rom-size=256"]
    return parts


def _i2c_place(machine: Machine, device: Tmp105 | Eeprom) -> str:
    if not machine.i2c_buses:
        raise MachineError(f"{machine.name} has no I2C bus for {device.name}")
    bus = device.bus or machine.i2c_buses[0]
    if bus not in machine.i2c_buses:
        known = ", ".join(machine.i2c_buses)
        raise MachineError(f"{machine.name} has no bus {bus!r}; there are {known}")
    return f"id={device.name},bus={bus},address={device.address:#x}"


def _watchdog(machine: Machine, fittings: Fittings) -> list[str]:
    if not fittings.watchdog:
        return []
    if machine.watchdog is None:
        raise MachineError(f"QEMU shows no watchdog of {machine.name}")
    return ["-device", machine.watchdog, "-action", "watchdog=reset"]


def _value(path: Path) -> str:
    """A path inside an option, where a comma would end it."""
    return str(path).replace(",", ",,")
