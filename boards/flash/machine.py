"""Facts about this machine's disks, from /proc and /sys; nothing is opened for writing."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from boards.flash.judge import Facts, Kind, Number, Use

_DEPTH_LIMIT = 16
"""Devices on devices; dm on md on a partition is three."""


class Machine:
    """Reads below `proc` and `sys`. Not for several threads."""

    def __init__(self, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> None:
        self._proc = proc
        self._sys = sys

    def facts(self, target: Path) -> Facts:
        """What is known of a target, which need not exist."""
        path = target.resolve()
        try:
            mode = path.stat()
        except FileNotFoundError:
            below = path.parent
            may = os.access(below, os.W_OK | os.X_OK)
            return Facts(path, Kind.NEW, _room(below) if below.is_dir() else 0, writable=may)
        if stat.S_ISBLK(mode.st_mode):
            return self._block_facts(path, (os.major(mode.st_rdev), os.minor(mode.st_rdev)))
        kind = Kind.FILE if stat.S_ISREG(mode.st_mode) else Kind.OTHER
        return Facts(
            path,
            kind,
            size=_room(path.parent) + mode.st_blocks * 512,
            writable=os.access(path, os.W_OK),
            loops=[name for name, file in self._loops() if file == str(path)],
        )

    def _block_facts(self, path: Path, number: Number) -> Facts:
        place = self._place(number)
        is_partition = (place / "partition").exists()
        disk = place.parent if is_partition else place
        return Facts(
            path,
            Kind.BLOCK,
            size=int(_line(place / "size") or 0) * 512,
            read_only=_line(place / "ro") == "1",
            writable=os.access(path, os.W_OK),
            family=frozenset(self._family(disk)),
            disk=f"/dev/{disk.name}" if is_partition else None,
            model=" ".join(
                filter(
                    None, (_line(disk / "device" / name) for name in ("vendor", "model", "name"))
                )
            ),
            uses=[*self._mounts(), *self._swaps()],
        )

    def _place(self, number: Number) -> Path:
        return (self._sys / "dev/block" / f"{number[0]}:{number[1]}").resolve()

    def _family(self, disk: Path, depth: int = 0) -> Iterator[Number]:
        """The device, its partitions, and what holds any of them."""
        own = _number(_line(disk / "dev"))
        if own is None or depth > _DEPTH_LIMIT:
            return
        yield own
        if not disk.is_dir():
            return
        for part in disk.iterdir():
            if (part / "partition").exists():
                yield from self._family(part, depth + 1)
        holders = disk / "holders"
        for holder in holders.iterdir() if holders.is_dir() else ():
            yield from self._family(holder.resolve(), depth + 1)

    def _mounts(self) -> Iterator[Use]:
        """Fields of proc_pid_mountinfo(5); btrfs shows no device there, so its source is asked."""
        for line in _lines(self._proc / "self/mountinfo"):
            fields = line.split(" ")
            where = _plain(fields[4])
            device = _number(fields[2])
            if device is not None:
                yield Use(device, where)
            source = Path(_plain(fields[fields.index("-") + 2]))
            found = _device_of(source)
            if found is not None and found != device:
                yield Use(found, where)

    def _swaps(self) -> Iterator[Use]:
        for line in _lines(self._proc / "swaps")[1:]:
            found = _device_of(Path(_plain(line.split()[0])))
            if found is not None:
                yield Use(found, "swap")

    def _loops(self) -> Iterator[tuple[str, str]]:
        block = self._sys / "block"
        for loop in block.glob("loop*"):
            file = _line(loop / "loop/backing_file")
            if file:
                yield f"/dev/{loop.name}", file


def _room(directory: Path) -> int:
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def _device_of(path: Path) -> Number | None:
    try:
        mode = path.stat()
    except OSError:
        return None
    if not stat.S_ISBLK(mode.st_mode):
        return None
    return os.major(mode.st_rdev), os.minor(mode.st_rdev)


def _number(text: str) -> Number | None:
    major, _, minor = text.partition(":")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else None


def _plain(text: str) -> str:
    r"""Without the kernel's octal escapes: `\040` is a space."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _lines(path: Path) -> Sequence[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return ()
