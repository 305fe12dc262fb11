"""What a device answers to requests for its hardware, as values or errors of `hal`."""

import errno
from collections.abc import Mapping

from firmware.link import smp
from hal.errors import (
    BusError,
    BusTimeoutError,
    HalError,
    NoDeviceError,
    ResourceBusyError,
    ResourceNotFoundError,
)
from hal.link.link import gone

GROUP = 65
"""firmware/device/bus.py, which says what is asked and answered."""
RESOURCES, PIN, I2C, CLOCK, OPEN, CLOSE = range(6)
TRANSACTION_LIMIT = 960
"""Bytes that one I2C transaction may write, and read: a frame holds 1,200 with everything else."""
TEXT_LIMIT = 200
# MicroPython has Linux's numbers, wherever it runs; ENODEV is what it says for a NAK.
_ERRORS: dict[int, tuple[type[BusError], int]] = {
    19: (NoDeviceError, errno.ENXIO),
    110: (BusTimeoutError, errno.ETIMEDOUT),
}


def checked(
    name: str, answer: Mapping[object, object], *, opening: bool = False
) -> Mapping[object, object]:
    """The answer, unless it says that the device could not or would not."""
    code = answer.get("rc", smp.OK)
    if code == smp.OK:
        return answer
    raise _error(name, code, answer, opening=opening)


def _error(name: str, code: object, answer: Mapping[object, object], *, opening: bool) -> HalError:
    reason = str(answer.get("rsn", f"rc {code}"))[:TEXT_LIMIT]
    number = answer.get("errno")
    if isinstance(number, int):
        kind, ours = _ERRORS.get(number, (BusError, errno.EIO))
        return kind(ours, f"{name}: {reason} on the microcontroller")
    if code == smp.BUSY:
        return ResourceBusyError(f"{name}: {reason}")
    if code == smp.MISSING:
        if opening:
            return ResourceNotFoundError(f"{name}: {reason}")
        return gone(name, "the device restarted, and it is not open again yet")
    if code == smp.UNSUPPORTED:
        return BusError(errno.EOPNOTSUPP, f"{name}: the device's firmware lends no hardware")
    return BusError(errno.EINVAL, f"{name}: {reason}")
