"""`skerry firmware update` and `delta`: for a person with a device on a desk."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from firmware.device.patch import LIMIT
from hal.errors import HalError
from hal.link import patch as patches
from hal.link import upload
from hal.link.find import Where, find
from hal.link.image import SIZE_LIMIT, Image, ImageError, parse
from hal.link.line import SerialLink
from hal.link.patch import Patch, PatchFileError
from hal.link.upload import Outcome, Phase
from hal.linux.serial import LinuxSerialPort
from hal.serial import SerialConfig, SerialPort

if TYPE_CHECKING:
    from tqdm import tqdm

_REMEDIES = {
    Outcome.ROLLED_BACK: "it runs what it ran before",
    Outcome.REFUSED: "nothing was changed",
    Outcome.UNPATCHED: "nothing was changed",
    Outcome.LOST: "look at its cable and its console, then say it again: an upload goes on",
}


class UpdateFailedError(HalError):
    """The device does not run the image; says why."""


def update(args: argparse.Namespace) -> None:
    """Send an image, wait until it is confirmed; raises UpdateFailedError with the reason."""
    image = _image(args.image)
    patch = None if args.patch is None else _patch(args.patch, image)
    where, config = Where(device=args.port), SerialConfig(baudrate=args.baudrate)

    def open_port() -> SerialPort:
        return LinuxSerialPort(str(args.port), find(where), config)

    open_port().close()  # what is wrong with the port is said at once
    link = SerialLink(args.port.name, open_port)
    link.start()
    try:
        with _Bars() as bars:
            result = upload.update(link, image, bars, downgrade=args.downgrade, patch=patch)
        trouble = link.trouble if link.identity is None else ""
    finally:
        link.close()
    if result.outcome is not Outcome.UPDATED:
        reason = f"{result.reason} ({trouble})" if trouble else result.reason
        raise UpdateFailedError(
            f"{args.port}: {result.outcome.value}: {reason}; {_REMEDIES[result.outcome]}"
        )
    went_on = f", the first {result.resumed_at} from before" if result.resumed_at else ""
    if result.unpatched:
        print(f"{args.patch}: not used, the image was sent: {result.unpatched}", file=sys.stderr)
    of = " of a patch" if result.patched else ""
    print(f"{args.port}: runs {image.version}, confirmed; {result.sent} bytes{of} sent{went_on}")


def delta(args: argparse.Namespace) -> None:
    """Make the patch from one image to another."""
    old, new = _image(args.old), _image(args.new)
    made = patches.make(old, new)
    args.output.write_bytes(made.data)
    share = 100 * len(made.data) / len(new.data)
    long = len(made.data) > LIMIT
    note = f"; devices take {LIMIT}, so they are sent the image" if long else ""
    print(
        f"{args.output}: {old.version} to {new.version}, {len(made.data)} bytes, "
        f"{share:.1f} % of the image{note}"
    )


def _patch(path: Path, image: Image) -> Patch:
    with path.open("rb") as file:
        data = file.read(SIZE_LIMIT + 1)
    try:
        found = patches.parse(data)
    except PatchFileError as error:
        raise PatchFileError(f"{path}: {error}") from None
    if found.result != image.digest:
        raise PatchFileError(f"{path}: makes another image than the one that is given")
    return found


def _image(path: Path) -> Image:
    with path.open("rb") as file:
        data = file.read(SIZE_LIMIT + 1)
    try:
        return parse(data)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None


class _Bars:
    """A bar for each phase; none when standard error is no terminal."""

    def __init__(self) -> None:
        self._phase: Phase | None = None
        self._bar: tqdm[NoReturn] | None = None

    def __call__(self, phase: Phase, done: int, total: int) -> None:
        if not sys.stderr.isatty():
            return
        if phase is not self._phase:
            self._close()
            self._phase, self._bar = phase, _bar(phase, total)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()


def _bar(phase: Phase, total: int) -> "tqdm[NoReturn]":
    from tqdm import tqdm  # noqa: PLC0415 - a board has none

    scaled = phase is not Phase.TRIAL
    unit = "B" if scaled else "s"
    return tqdm(total=total, desc=phase.value, unit=unit, unit_scale=scaled, leave=scaled)
