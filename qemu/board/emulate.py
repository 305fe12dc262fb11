"""`skerry emulate`: a person's board under QEMU, its console in their terminal.

The image is never written. What the board writes goes into a disk of its own, which is thrown away
or kept beside the image; the monitor of a running board waits in a folder named after the image.
"""

import argparse
import hashlib
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from qemu.board.card import board_of, emulated
from qemu.board.command import Sockets, monitor_path, qemu_arguments
from qemu.board.disk import make_layer
from qemu.board.errors import BootError, MachineError
from qemu.board.machine import Fittings, Machine, Tmp105
from qemu.board.programs import Programs, pinned_programs
from qemu.board.wire import Monitor

_PORTS = 65535
_SENSOR = Tmp105()


def run(args: argparse.Namespace) -> int:
    """Boot an image, or set the temperature that a running one feels."""
    image: Path = args.image.absolute()
    folder = _folder(image)
    if args.celsius is not None:
        _feel(folder, args.celsius, args.image)
        return 0
    if _answers(folder):
        raise BootError(f"{args.image} is running already: end it, or boot a copy")
    forwards = tuple(_forward(text) for text in args.forward)
    board = board_of(image, args.board)
    programs = pinned_programs(args.cache.absolute())
    with tempfile.TemporaryDirectory(prefix="emulate-") as place:
        machine, media = emulated(board, image, Path(place))
        kept = image.with_name(f"{image.name}.disk")
        disk = kept if args.persist else Path(place) / "disk"
        _prepare(programs, machine, image, disk)
        sensors = (_SENSOR,) if machine.i2c_buses else ()
        fittings = Fittings(sensors=sensors, forward_from=forwards)
        sockets = Sockets(console=None, monitor=None, channel=None, folder=folder)
        folder.mkdir(mode=0o700, exist_ok=True)
        _say(f"{board.title} as QEMU's {machine.model}; to leave: Ctrl-A, then X")
        if args.persist:
            _say(f"what it writes stays in {kept}")
        for host, guest in forwards:
            _say(f"127.0.0.1:{host} leads to its port {guest}")
        if sensors:
            _say(f"a TMP105 at {_SENSOR.address:#x} feels what you say: in another terminal")
            _say(f"    skerry emulate {args.image} --celsius 36.5")
        _say(f"QEMU's monitor (QMP): {monitor_path(folder)}")
        arguments = qemu_arguments(machine, media, fittings, sockets, disk)
        return subprocess.call(programs.argv(machine.program, arguments))  # noqa: S603 - argv, no shell


def _prepare(programs: Programs, machine: Machine, image: Path, disk: Path) -> None:
    """A disk that is there already is gone on with, unless its image has changed since."""
    if not disk.exists():
        make_layer(programs, image, disk, machine.disk)
    elif disk.stat().st_mtime_ns < image.stat().st_mtime_ns:
        raise BootError(f"{disk}: {image.name} has changed since; to start anew, delete it")


def _folder(image: Path) -> Path:
    """Where the monitor of an image's board is; short, as the path of a unix socket must be."""
    digest = hashlib.sha256(os.fsencode(image.resolve())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"skerry-emulate-{os.geteuid()}-{digest}"


def _answers(folder: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(monitor_path(folder))) == 0


def _feel(folder: Path, celsius: float, image: Path) -> None:
    end = socket.socket(socket.AF_UNIX)
    try:
        end.connect(str(monitor_path(folder)))
    except OSError as fault:
        end.close()
        raise BootError(f"{image} is not running: skerry emulate {image}") from fault
    monitor = Monitor(end)
    try:
        path = f"/machine/peripheral/{_SENSOR.name}"
        milli = round(celsius * 1000)
        monitor.execute("qom-set", path=path, property="temperature", value=milli)
    finally:
        monitor.close()


def _forward(text: str) -> tuple[int, int]:
    host, _, guest = text.partition(":")
    if not (host.isdecimal() and guest.isdecimal()):
        raise MachineError(f"--forward: {text!r} is not HOST:GUEST, two TCP ports")
    ports = int(host), int(guest)
    if not all(1 <= port <= _PORTS for port in ports):
        raise MachineError(f"--forward: {text!r}: ports are from 1 to {_PORTS}")
    return ports


def _say(text: str) -> None:
    sys.stderr.write(f"emulate: {text}\n")
