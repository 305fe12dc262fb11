"""Every error a virtual board can give, as one tree.

BoardError
├── MachineError (ValueError)     the machine has no such part, or an option is wrong; names it
├── BootError                     QEMU did not start, or ended; tells what it said
├── DeadlineError (TimeoutError)  what was waited for did not come; tells what did
├── PowerError                    the board is off, or on already
├── GuestError                    a command in the guest failed; tells its output
├── MonitorError                  QEMU refused a command, or its monitor closed
├── PackageError                  a package cannot be had; tells what to do
└── ImageError (ValueError)       a kernel, initramfs or device tree cannot be made or read
"""


class BoardError(Exception):
    """Base of every error raised by `qemu.board`."""


class MachineError(BoardError, ValueError):
    """The machine has no such part, or an option is wrong; the message names it."""


class BootError(BoardError):
    """QEMU did not start, or ended by itself; the message tells what it said."""


class DeadlineError(BoardError, TimeoutError):
    """What was waited for did not come in time; the message tells what came last."""


class PowerError(BoardError):
    """The board is off where it must be on, or on where it must be off."""


class GuestError(BoardError):
    """A command in the guest failed; the message tells its status and output."""


class MonitorError(BoardError):
    """QEMU refused a command of its monitor, or closed it."""


class PackageError(BoardError):
    """A package cannot be had; the message tells what to do."""


class ImageError(BoardError, ValueError):
    """A kernel, initramfs or device tree cannot be made or read."""
