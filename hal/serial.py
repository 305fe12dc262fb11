"""Serial ports: bytes in, bytes out, a readable file descriptor."""

from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

READ_LIMIT = 65536
"""Bytes returned by one read; a Linux tty buffers 4096, a pty 4096, USB adapters up to 64 KiB."""


@dataclass(frozen=True, slots=True)
class SerialConfig:
    """Line settings of a port."""

    baudrate: int = 9600
    bytesize: int = 8
    parity: str = "N"
    """N, E or O."""
    stopbits: int = 1


@runtime_checkable
class SerialPort(Protocol):
    """An open port, owned until closed. One reader and one writer thread at a time."""

    def read(self, limit: int = READ_LIMIT) -> bytes:
        """What has arrived, at most `limit` bytes; empty when nothing has. Never blocks.

        Raises BusError once the device is gone.
        """
        ...

    def write(self, data: bytes, timeout: float) -> int:
        """Write `data`; the number of bytes taken before `timeout` seconds passed."""
        ...

    def fileno(self) -> int:
        """Readable while bytes wait; for select and poll."""
        ...

    def close(self) -> None:
        """Release the port; may be called twice."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
