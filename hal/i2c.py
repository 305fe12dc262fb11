"""I2C: transactions with one device address on a bus (NXP UM10204)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

TRANSFER_LIMIT = 4096
"""Bytes in one message; Linux's i2c-dev refuses more than 8192."""
MESSAGES_LIMIT = 42
"""Messages in one combined transaction: I2C_RDWR_IOCTL_MAX_MSGS."""


@dataclass(frozen=True, slots=True)
class Write:
    """Write these bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """Read this many bytes."""

    length: int


@runtime_checkable
class I2CDevice(Protocol):
    """One 7-bit address on a bus, owned until closed. Any thread may call; calls are serialised."""

    def transfer(self, messages: Sequence[Write | Read]) -> list[bytes]:
        """One combined transaction with repeated starts; the bytes of each Read, in order.

        Raises NoDeviceError, BusTimeoutError or BusError; ValueError past a limit above.
        """
        ...

    def close(self) -> None:
        """Release the address; may be called twice."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
