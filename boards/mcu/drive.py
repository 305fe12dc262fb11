"""The USB drive of a boot loader that takes UF2 files: found, judged, written, watched as it goes.

Such a drive holds INFO_UF2.TXT, which names the board. It is no disk: what is copied there goes block by
block to where each block says, and with the last one the loader starts the firmware and the drive is
gone, whether or not the computer had finished. So a copy is right when all was written and the drive
went; that the last `fsync` or `close` failed means nothing then.
"""

import errno
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from boards.errors import DeviceFailedError, TargetRefusedError
from boards.uf2 import FAMILIES, Uf2

INFO = "INFO_UF2.TXT"
INFO_LIMIT = 4096
"""Bytes of it that are read; a Pico's has 62."""
COPY_AS = "skerry.uf2"
CHUNK = 64 << 10
"""Bytes between two words on progress: a second of the RP2040's loader."""
GONE_AFTER = 30.0
"""Seconds for the loader to take what the computer still has in memory: 700 KiB at 60 KiB a second,
twice over."""
POLL = 0.1
_FAMILIES_OF = {
    "RPI-RP2": ("rp2040",),
    "RP2350": ("rp2350-arm-s", "rp2350-riscv"),
}
"""By what follows `Board-ID:`."""
_VANISHED = (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ENOTCONN, errno.EROFS)
_BY_LABEL = Path("/dev/disk/by-label")
_MOUNTS = Path("/proc/self/mounts")

Progress = Callable[[int, int], None]
"""Told of bytes written, and of how many there are."""


@dataclass(frozen=True, slots=True)
class Drive:
    """A drive that is mounted, and what its INFO_UF2.TXT says."""

    path: Path
    board: str
    device: int
    """st_dev."""

    def is_there(self) -> bool:
        """Whether it still is: its file can be read, and the kernel knows the disk below it."""
        try:
            with (self.path / INFO).open("rb") as file:
                if os.fstat(file.fileno()).st_dev != self.device:
                    return False
                file.read(1)
        except OSError:
            return False
        major = os.major(self.device)
        return major == 0 or _sys_block(self.device).exists()


def looked_at(path: Path) -> Drive:
    """The drive at a folder; raises TargetRefusedError when there is none."""
    try:
        with (path / INFO).open("rb") as file:
            text = file.read(INFO_LIMIT).decode("ascii", "replace")
            device = os.fstat(file.fileno()).st_dev
    except OSError as fault:
        raise TargetRefusedError(
            f"{path}: no UF2 drive: {INFO}: {fault.strerror}; hold BOOTSEL while you plug the board in"
        ) from fault
    found = re.search(r"^Board-ID:\s*(\S+)", text, re.MULTILINE)
    if not found:
        raise TargetRefusedError(f"{path}: its {INFO} names no Board-ID")
    return Drive(path, found[1], device)


def drives() -> list[Drive]:
    """Those that are mounted."""
    found: list[Drive] = []
    for line in _MOUNTS.read_text().splitlines():
        source, place, kind, *_ = line.split(" ")
        if kind in ("vfat", "msdos") and source.startswith("/dev/"):
            with suppress(TargetRefusedError):
                found.append(looked_at(Path(place.encode().decode("unicode_escape"))))
    return found


def the_drive(wait: float) -> Drive:
    """The only one there is, when it comes within `wait` seconds; raises TargetRefusedError."""
    deadline = time.monotonic() + wait
    while not (found := drives()):
        if time.monotonic() >= deadline:
            raise TargetRefusedError(_none())
        time.sleep(POLL)
    if len(found) > 1:
        names = ", ".join(str(drive.path) for drive in found)
        raise TargetRefusedError(f"several UF2 drives: {names}; say which: --drive")
    return found[0]


def agree(drive: Drive, firmware: Uf2) -> None:
    """Raise TargetRefusedError unless the drive's part runs that firmware."""
    families = _FAMILIES_OF.get(drive.board)
    if families is None:
        raise TargetRefusedError(
            f"{drive.path}: its board is {drive.board}, unknown here; known: {', '.join(_FAMILIES_OF)}"
        )
    if firmware.family not in [FAMILIES[name] for name in families]:
        raise TargetRefusedError(
            f"{drive.path}: {drive.board} runs firmware for {' or '.join(families)}, "
            f"and this is for {firmware.family_name}; nothing was written"
        )


def put(data: bytes, drive: Drive, progress: Progress, gone_after: float = GONE_AFTER) -> None:
    """Write a file, and return when the drive has taken it and gone; raises DeviceFailedError."""
    _write(data, drive, progress)
    deadline = time.monotonic() + gone_after
    while drive.is_there():
        if time.monotonic() >= deadline:
            raise DeviceFailedError(
                f"{drive.path}: all was written, but the drive is still there: the board has not "
                "taken it; plug it in again with BOOTSEL held, and try another cable"
            )
        time.sleep(POLL)


def _write(data: bytes, drive: Drive, progress: Progress) -> None:
    at = 0
    try:
        place = os.open(drive.path / COPY_AS, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    except OSError as fault:
        raise DeviceFailedError(f"{drive.path}: {fault.strerror}; nothing was written") from fault
    try:
        while at < len(data):
            at += _some(place, data[at : at + CHUNK])
            progress(at, len(data))
        os.fsync(place)
    except OSError as fault:
        if at < len(data) or fault.errno not in _VANISHED or drive.is_there():
            raise _failed(drive, at, len(data), fault) from fault
    finally:
        with suppress(OSError):
            os.close(place)


def _some(place: int, data: bytes) -> int:
    written = os.write(place, data)
    if not written:
        raise OSError(errno.EIO, "it takes no more and gives no reason")
    return written


def _failed(drive: Drive, at: int, size: int, fault: OSError) -> DeviceFailedError:
    return DeviceFailedError(
        f"{drive.path}: {fault.strerror} after {at} of {size} bytes. What is on the board is "
        "unfinished: plug it in with BOOTSEL held and flash it again; its boot loader cannot be lost"
    )


def _none() -> str:
    unmounted = [label for label in _FAMILIES_OF if (_BY_LABEL / label).exists()]
    if unmounted:
        device = _BY_LABEL / unmounted[0]
        return (
            f"{device} is plugged in, but not mounted: udisksctl mount -b {device}, or as root "
            f"mount {device} /mnt and --drive /mnt"
        )
    return (
        "no UF2 drive: hold the board's BOOTSEL button while you plug it in, or say --port "
        "/dev/ttyACM0 when MicroPython runs on it"
    )


def _sys_block(device: int) -> Path:
    return Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
