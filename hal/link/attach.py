"""From what a board file says of a microcontroller to a board that looks for it."""

import re
from collections.abc import Mapping

from firmware.device.config import NAME_LIMIT as PROPERTY_LIMIT
from firmware.device.config import ConfigError, checked
from firmware.link import cbor
from hal.errors import BoardFileError
from hal.link.board import McuBoard
from hal.link.find import USB_ID, Where, find
from hal.link.line import SerialLink
from hal.linux.serial import LinuxSerialPort
from hal.serial import SerialConfig, SerialPort

CONFIG_LIMIT = 1000
"""Bytes of a configuration as CBOR: it travels in one frame, which holds 1,200 with everything else."""
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?")
"""A name stands before the resource's: `pico.GPIO4`."""


def attached(
    name: str, where: Where, baudrate: int, config: Mapping[str, object] | None
) -> McuBoard:
    """The microcontroller, not looked for yet; BoardFileError names the key within its table."""
    _check(name, where)
    settled = None if config is None else _settled(config)

    def open_port() -> SerialPort:
        return LinuxSerialPort(name, find(where), SerialConfig(baudrate=baudrate))

    return McuBoard(SerialLink(name, open_port), settled)


def _check(name: str, where: Where) -> None:
    if not NAME.fullmatch(name):
        raise BoardFileError(
            "name: a microcontroller's has a-z, 0-9 and '-', at most 24: mcu.pico"
        )
    by_usb = where.usb is not None or where.serial_number is not None
    if (where.device is None) is not by_usb:
        raise BoardFileError(
            "device: give the port's node (/dev/ttyACM0), or usb (2e8a:000a) or serial-number, "
            "by which it is found under any node"
        )
    if where.usb is not None and not USB_ID.fullmatch(where.usb):
        raise BoardFileError("usb: vendor and product, four hex digits each in lower case")


def _settled(config: Mapping[str, object]) -> dict[str, object]:
    try:
        made = checked(dict(config))
    except ConfigError as error:
        raise BoardFileError(f"config.{error}") from error
    size = len(cbor.encode(made))
    if size > CONFIG_LIMIT:
        raise BoardFileError(
            f"config: {size} bytes as it is sent; at most {CONFIG_LIMIT}: "
            f"shorter names, or fewer properties (names take up to {PROPERTY_LIMIT})"
        )
    return made
