"""`skerry firmware flash`: a first firmware onto a microcontroller."""

import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from boards.errors import DeviceFailedError, ImageError, TargetRefusedError
from boards.mcu.drive import Drive, agree, looked_at, put, the_drive
from boards.mcu.reset import to_bootloader
from boards.uf2 import LIMIT, Uf2, examined

if TYPE_CHECKING:
    from tqdm import tqdm

PICOTOOL = "picotool"
PICOTOOL_TIMEOUT = 120
"""Seconds; 700 KiB take it ten."""


def flash(args: Namespace) -> None:
    """Look at the file, find the drive, write, wait for it to go."""
    data, firmware = _read(args.image)
    if args.port:
        print(f"{args.port}: led to its boot loader by {to_bootloader(args.port)}")
    drive = _find(args.drive, args.wait if args.port else 0)
    if drive is None:
        _picotool(args.image)
        return
    agree(drive, firmware)
    with _Bar(len(data)) as bar:
        put(data, drive, bar.show)
    print(f"{drive.path}: {firmware.size / 1024:.0f} KiB written; {drive.board} has started it")


def _read(image: Path) -> tuple[bytes, Uf2]:
    try:
        with image.open("rb") as file:
            data = file.read(LIMIT + 1)
    except OSError as fault:
        raise ImageError(f"{image}: {fault.strerror}") from fault
    if len(data) > LIMIT:
        raise ImageError(f"{image}: over {LIMIT >> 20} MiB: no firmware")
    try:
        return data, examined(data)
    except ImageError as fault:
        raise ImageError(f"{image}: {fault}") from fault


def _find(chosen: Path | None, wait: float) -> Drive | None:
    """The drive; None when there is none and picotool may reach the board without."""
    if chosen is not None:
        return looked_at(chosen)
    try:
        return the_drive(wait)
    except TargetRefusedError:
        if shutil.which(PICOTOOL) is None:
            raise
        return None


def _picotool(image: Path) -> None:
    """It refuses another family, verifies and starts the firmware itself."""
    command = [PICOTOOL, "load", "--verify", "--execute", str(image)]
    try:
        done = subprocess.run(  # noqa: S603 - argv of our own
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PICOTOOL_TIMEOUT,
        )
    except subprocess.TimeoutExpired as fault:
        raise DeviceFailedError(f"{PICOTOOL} took over {PICOTOOL_TIMEOUT} s") from fault
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise TargetRefusedError(f"no UF2 drive is mounted, and {PICOTOOL} says: {said}")
    print(f"{image}: written, verified and started by {PICOTOOL}")


class _Bar:
    """Progress, where standard error is a terminal."""

    def __init__(self, total: int) -> None:
        self._bar = _bar(total) if sys.stderr.isatty() else None

    def show(self, done: int, _total: int) -> None:
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()


def _bar(total: int) -> "tqdm[NoReturn]":
    from tqdm import tqdm  # noqa: PLC0415 - of no use without a terminal

    return tqdm(total=total, desc="writing", unit="B", unit_scale=True)
