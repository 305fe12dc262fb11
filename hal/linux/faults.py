"""The one place where an errno becomes one of `hal.errors`."""

import errno
from collections.abc import Generator
from contextlib import contextmanager

from hal.errors import (
    AccessError,
    BusError,
    BusTimeoutError,
    HalError,
    NoDeviceError,
    ResourceBusyError,
    ResourceNotFoundError,
)

_WHEN_OPENING: dict[int, type[HalError]] = {
    errno.ENOENT: ResourceNotFoundError,
    errno.ENODEV: ResourceNotFoundError,
    errno.ENXIO: ResourceNotFoundError,
    errno.EBUSY: ResourceBusyError,
    errno.EAGAIN: ResourceBusyError,
}
# Documentation/i2c/fault-codes: ENXIO is the NAK of an address; older drivers say EREMOTEIO.
_WHEN_USING: dict[int, type[BusError]] = {
    errno.ENXIO: NoDeviceError,
    errno.EREMOTEIO: NoDeviceError,
    errno.ETIMEDOUT: BusTimeoutError,
}
_REFUSED = (errno.EACCES, errno.EPERM)


@contextmanager
def opening(name: str, group: str) -> Generator[None, None, None]:
    """Turns an OSError while `name` is opened into one of ours; `group` is whom it belongs to."""
    try:
        yield
    except HalError:
        raise
    except OSError as fault:
        number = fault.errno or 0
        if number in _REFUSED:
            raise AccessError(
                f"{name}: permission denied; add the agent's user to group {group!r}"
            ) from fault
        raise _WHEN_OPENING.get(number, BusError)(f"{name}: {fault}") from fault


@contextmanager
def using(name: str) -> Generator[None, None, None]:
    """Turns an OSError of a transaction with `name` into one of ours."""
    try:
        yield
    except HalError:
        raise
    except OSError as fault:
        number = fault.errno or errno.EIO
        raise _WHEN_USING.get(number, BusError)(number, f"{name}: {fault.strerror}") from fault
