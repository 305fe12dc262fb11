"""Which serial port a microcontroller is at now, as sysfs tells.

The kernel numbers `/dev/ttyACM0` in the order of appearance, so a device that comes back may have
another number: it is found by what USB knows of it, each time it is looked for.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from hal.errors import ResourceNotFoundError

SYS, DEV = Path("/sys"), Path("/dev")
USB_ID = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")
_DEPTH = 4
"""From a tty up to its USB device: the tty's own device, its interface, the device."""


@dataclass(frozen=True, slots=True)
class Where:
    """How a person names a port: by its node, or by what is plugged in."""

    device: Path | None = None
    usb: str | None = None
    """Vendor and product, `2e8a:000a`."""
    serial_number: str | None = None

    def __str__(self) -> str:
        if self.device is not None:
            return str(self.device)
        told = [self.usb and f"USB id {self.usb}", self.serial_number]
        return " with serial number ".join(each for each in told if each)


def find(where: Where, sys: Path = SYS, dev: Path = DEV) -> Path:
    """The node of the port; ResourceNotFoundError when there is none, or more than one."""
    if where.device is not None:
        if not where.device.exists():
            raise ResourceNotFoundError(f"{where.device}: nothing is plugged in there")
        return where.device
    found = sorted(
        dev / tty.name for tty in (sys / "class/tty").glob("tty*") if _matches(tty, where)
    )
    if len(found) > 1:
        raise ResourceNotFoundError(
            f"{where}: {', '.join(map(str, found))} all fit; "
            "tell them apart by serial-number, or name one by device"
        )
    if not found:
        raise ResourceNotFoundError(f"no serial port has {where}")
    return found[0]


def _matches(tty: Path, where: Where) -> bool:
    device = _usb_device(tty)
    if device is None:
        return False
    told = f"{_text(device / 'idVendor')}:{_text(device / 'idProduct')}"
    serial = _text(device / "serial")
    return where.usb in (None, told) and where.serial_number in (None, serial)


def _usb_device(tty: Path) -> Path | None:
    """The directory of the USB device that a port is of."""
    place = (tty / "device").resolve()
    for _ in range(_DEPTH):
        if (place / "idVendor").is_file():
            return place
        place = place.parent
    return None


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
