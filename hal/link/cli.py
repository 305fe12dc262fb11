"""`skerry firmware update`: for a person with a device on a desk."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hal.errors import HalError
from hal.link import upload
from hal.link.find import Where, find
from hal.link.image import SIZE_LIMIT, Image, ImageError, parse
from hal.link.line import SerialLink
from hal.link.upload import Outcome, Phase
from hal.linux.serial import LinuxSerialPort
from hal.serial import SerialConfig, SerialPort

if TYPE_CHECKING:
    from tqdm import tqdm

_REMEDIES = {
    Outcome.ROLLED_BACK: "it runs what it ran before",
    Outcome.REFUSED: "nothing was changed",
    Outcome.LOST: "look at its cable and its console, then say it again: an upload goes on",
}


class UpdateFailedError(HalError):
    """The device does not run the image; says why."""


def update(args: argparse.Namespace) -> None:
    """Send an image, wait until it is confirmed; raises UpdateFailedError with the reason."""
    image = _image(args.image)
    where, config = Where(device=args.port), SerialConfig(baudrate=args.baudrate)

    def open_port() -> SerialPort:
        return LinuxSerialPort(str(args.port), find(where), config)

    open_port().close()  # what is wrong with the port is said at once
    link = SerialLink(args.port.name, open_port)
    link.start()
    try:
        with _Bars() as bars:
            result = upload.update(link, image, bars, downgrade=args.downgrade)
        trouble = link.trouble if link.identity is None else ""
    finally:
        link.close()
    if result.outcome is not Outcome.UPDATED:
        reason = f"{result.reason} ({trouble})" if trouble else result.reason
        raise UpdateFailedError(
            f"{args.port}: {result.outcome.value}: {reason}; {_REMEDIES[result.outcome]}"
        )
    went_on = f", the first {result.resumed_at} from before" if result.resumed_at else ""
    print(f"{args.port}: runs {image.version}, confirmed; {result.sent} bytes sent{went_on}")


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

    unit = "B" if phase is Phase.UPLOAD else "s"
    scaled = phase is Phase.UPLOAD
    return tqdm(total=total, desc=phase.value, unit=unit, unit_scale=scaled, leave=scaled)
