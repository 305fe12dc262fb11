"""Every error that hardware can give, as one tree.

HalError
├── ResourceNotFoundError (LookupError)  the board has no line, bus or port of that name
├── ResourceBusyError                    somebody else holds it
├── AccessError (PermissionError)        the operating system does not let this user touch it
├── PinDirectionError (ValueError)       wrote an input
├── BusError (OSError)                   the transaction failed on the wire
│   ├── NoDeviceError                    nothing acknowledged the address (ENXIO)
│   ├── DeviceGoneError                  the microcontroller it hangs off is not there (ENODEV)
│   └── BusTimeoutError (TimeoutError)   the bus did not finish in time
├── ClosedError (ValueError)             used after close()
├── DriveError (ValueError)              a simulated board cannot be driven that way
└── BoardFileError (ValueError)          a board file is wrong; names the key
"""


class HalError(Exception):
    """Base of every error raised by `hal`."""


class ResourceNotFoundError(HalError, LookupError):
    """The board has no such line, bus or port."""


class ResourceBusyError(HalError):
    """Another owner holds the line, bus address or port."""


class AccessError(HalError, PermissionError):
    """The operating system does not let this user touch the device."""


class PinDirectionError(HalError, ValueError):
    """A value was written to a line that is an input."""


class BusError(HalError, OSError):
    """A transaction failed on the wire; nothing is known of what the device took."""


class NoDeviceError(BusError):
    """Nothing acknowledged the address."""


class DeviceGoneError(BusError):
    """The microcontroller that the hardware hangs off is unplugged, without power or restarting.

    Try again after it is back; what was under way may or may not have been done.
    """


class BusTimeoutError(BusError, TimeoutError):
    """The bus did not finish in time."""


class ClosedError(HalError, ValueError):
    """The object was used after `close()`."""


class DriveError(HalError, ValueError):
    """A simulated board has no such target, or the target no such value."""


class BoardFileError(HalError, ValueError):
    """A board file is wrong; the message names the key."""
