"""Every error of the sandbox, as one tree.

SandboxError
├── InvalidModuleError (ValueError)   the module's fault; trying again cannot help
│   └── UnknownImportError            it asks for a function this node does not have
├── CompileError                      the compiler's fault
│   ├── CompileTimeoutError           it took too long
│   └── CompileCrashedError           the child died; the message says how
└── ServiceError                      raised by the agent's services, told to the guest
    ├── AgainError                    full or too fast; trying later can help
    └── NoSpaceError                  no room on the disk

Two more never leave the package: CallError carries an error number to the guest, GuestEndError
ends the guest from inside a host call.
"""

import errno as posix

from edge.sandbox.errnos import Errno
from edge.sandbox.exits import Exit
from hal.errors import (
    AccessError,
    BusTimeoutError,
    ClosedError,
    DeviceGoneError,
    HalError,
    NoDeviceError,
    PinDirectionError,
    ResourceBusyError,
    ResourceNotFoundError,
)


class SandboxError(Exception):
    """Base of every error raised by `edge.sandbox`."""


class InvalidModuleError(SandboxError, ValueError):
    """The module cannot run on this node; the message is for its author."""


class UnknownImportError(InvalidModuleError):
    """The module imports something outside the guest ABI."""


class CompileError(SandboxError):
    """The module could not be compiled, and that may not be its fault."""


class CompileTimeoutError(CompileError):
    """The compiler did not finish in time."""


class CompileCrashedError(CompileError):
    """The compiler ended without an answer."""


class ServiceError(SandboxError):
    """The agent could not do what the guest asked."""


class AgainError(ServiceError):
    """Refused for now: a rate or a full outbox."""


class NoSpaceError(ServiceError):
    """No room for what the guest wants to store."""


class CallError(Exception):
    """A host call fails with this number; the guest goes on."""

    def __init__(self, errno: Errno) -> None:
        super().__init__(errno.name)
        self.errno = errno


class GuestEndError(Exception):
    """The guest ends here, as `end` says."""

    def __init__(self, end: Exit) -> None:
        super().__init__(end.message)
        self.end = end


_POSIX = {getattr(posix, "E" + number.name, None): number for number in Errno if number}

_BY_TYPE: tuple[tuple[type[Exception], Errno], ...] = (
    (AgainError, Errno.AGAIN),
    (NoSpaceError, Errno.NOSPC),
    (NoDeviceError, Errno.NXIO),
    (DeviceGoneError, Errno.NXIO),
    (BusTimeoutError, Errno.TIMEDOUT),
    (PinDirectionError, Errno.PERM),
    (AccessError, Errno.ACCES),
    (ResourceBusyError, Errno.BUSY),
    (ResourceNotFoundError, Errno.NOENT),
    (ClosedError, Errno.BADF),
    (HalError, Errno.IO),
)
"""The first class that fits wins, so narrower ones stand first."""


def errno_of(error: Exception) -> Errno | None:
    """Number that tells a guest of this error; None for one that no guest can cause."""
    for kind, number in _BY_TYPE:
        if isinstance(error, kind):
            return number
    if isinstance(error, OSError):
        return _POSIX.get(error.errno, Errno.IO)
    return None
