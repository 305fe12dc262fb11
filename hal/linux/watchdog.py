"""The board's watchdog: a timer that restarts the machine unless it is fed.

Linux, Documentation/watchdog/watchdog-api.rst: opening the device starts the timer; closing it
after the letter V stops it, closing it without lets it run on.
"""

import fcntl
import os
import struct
from pathlib import Path
from typing import Self

DEVICE = Path("/dev/watchdog")
_SET_TIMEOUT, _GET_TIMEOUT = 0xC0045706, 0x80045707
"""WDIOC_SETTIMEOUT and WDIOC_GETTIMEOUT, on AArch64 and x86-64."""


class Watchdog:
    """A running watchdog. One thread."""

    def __init__(self, descriptor: int, timeout: int) -> None:
        self._descriptor = descriptor
        self.timeout = timeout
        """Seconds without food until the machine restarts."""

    @classmethod
    def start(cls, device: Path, timeout: int) -> Self | None:
        """Start it, with the hardware's own timeout where it refuses ours.

        None when there is no such device. Raises OSError when another program has it.
        """
        try:
            descriptor = os.open(device, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        for request in (_SET_TIMEOUT, _GET_TIMEOUT):
            try:
                answer = fcntl.ioctl(descriptor, request, struct.pack("i", timeout))
            except OSError:
                continue
            return cls(descriptor, struct.unpack("i", answer)[0])
        return cls(descriptor, timeout)

    def feed(self) -> None:
        """Put the restart off by `timeout` seconds; raises OSError."""
        os.write(self._descriptor, b"\0")

    def stop(self) -> None:
        """Stop the timer and let go of the device; idempotent."""
        if self._descriptor >= 0:
            os.write(self._descriptor, b"V")
            os.close(self._descriptor)
            self._descriptor = -1
