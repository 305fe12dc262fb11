"""Serial ports: pyserial sets the line up, then bytes move by read(2) and write(2).

A port is opened exclusively. A device that is gone (unplugged, or the far end of a pty closed)
makes the descriptor readable and every read and write a BusError.
"""

import errno
import os
import select
from pathlib import Path

from hal import clock
from hal.errors import BusError
from hal.linux.faults import opening, using
from hal.owned import Owned
from hal.serial import READ_LIMIT, SerialConfig

_GROUP = "dialout"
_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


class LinuxSerialPort(Owned):
    """An open port. One reader and one writer thread at a time."""

    def __init__(self, name: str, node: Path, config: SerialConfig) -> None:
        """Open and configure the device node."""
        import serial  # noqa: PLC0415 - only a board with a serial grant pays for it

        with opening(name, _GROUP):
            try:
                port = serial.Serial(
                    str(node),
                    baudrate=config.baudrate,
                    bytesize=config.bytesize,
                    parity=config.parity,
                    stopbits=config.stopbits,
                    timeout=0,
                    exclusive=True,
                )
            except serial.SerialException as fault:
                # Without a number it says that the node would not be configured: it is no tty.
                raise OSError(fault.errno or errno.ENOTTY, str(fault)) from fault
            except ValueError as fault:
                raise OSError(errno.EINVAL, f"the port refuses {config}: {fault}") from fault
        super().__init__(name, port.close)
        self._fd: int = port.fileno()

    def read(self, limit: int = READ_LIMIT) -> bytes:
        """What has arrived, at most `limit` bytes; empty when nothing has. Never blocks."""
        with self._held(), using(self.name):
            try:
                data = os.read(self._fd, limit)
            except BlockingIOError:
                return b""
            # An idle tty and a vanished one both read as empty; only poll tells them apart.
            if not data and _poll(self._fd, select.POLLIN, 0) & _GONE:
                raise BusError(errno.EIO, f"{self.name}: the device is gone")
            return data

    def write(self, data: bytes, timeout: float) -> int:
        """Write `data`; the number of bytes taken before `timeout` seconds passed."""
        deadline = clock.monotonic() + timeout
        taken = 0
        view = memoryview(data)
        while taken < len(data):
            with self._held(), using(self.name):
                fd = self._fd
                try:
                    taken += os.write(fd, view[taken:])
                    continue
                except BlockingIOError:
                    pass
            left = deadline - clock.monotonic()
            if left <= 0 or not _poll(fd, select.POLLOUT, left):
                break
        return taken

    def fileno(self) -> int:
        """Readable while bytes wait, and when the device is gone."""
        with self._held():
            return self._fd


def _poll(fd: int, events: int, timeout: float) -> int:
    waiting = select.poll()
    waiting.register(fd, events)
    found = waiting.poll(timeout * 1000)
    return found[0][1] if found else 0
