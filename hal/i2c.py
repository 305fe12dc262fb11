"""I2C: transactions with one device address on a bus (NXP UM10204)."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from hal.errors import ResourceNotFoundError

TRANSFER_LIMIT = 4096
"""Bytes in one message; Linux's i2c-dev refuses more than 8192."""
MESSAGES_LIMIT = 42
"""Messages in one combined transaction: I2C_RDWR_IOCTL_MAX_MSGS."""

ADDRESSES = range(0x08, 0x78)
"""7-bit addresses a device may have; UM10204 section 3.1.12 reserves the others."""


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

        Raises NoDeviceError, BusTimeoutError or BusError; ValueError past a limit above. Some
        buses take one Read, as the last message (BusError, EOPNOTSUPP): i2c-bcm2835's.
        """
        ...

    def close(self) -> None:
        """Release the address; may be called twice."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...


def check_messages(messages: Sequence[Write | Read]) -> None:
    """Raise ValueError when a transaction is empty or past a limit; every backend calls it."""
    if not 1 <= len(messages) <= MESSAGES_LIMIT:
        raise ValueError(f"{len(messages)} messages: a transaction has 1 to {MESSAGES_LIMIT}")
    for message in messages:
        if isinstance(message, Read):
            if not 1 <= message.length <= TRANSFER_LIMIT:
                raise ValueError(f"read of {message.length} bytes: 1 to {TRANSFER_LIMIT}")
        elif len(message.data) > TRANSFER_LIMIT:
            raise ValueError(f"write of {len(message.data)} bytes: at most {TRANSFER_LIMIT}")


def check_address(bus: str, address: int) -> None:
    """Raise ResourceNotFoundError for an address that no device can have."""
    if address not in ADDRESSES:
        raise ResourceNotFoundError(
            f"{device_name(bus, address)}: 7-bit addresses go from 0x08 to 0x77"
        )


def device_name(bus: str, address: int) -> str:
    """The name people use for a device on a bus: `i2c-1:0x48`."""
    return f"{bus}:0x{address:02x}"


def parse_device_name(text: str) -> tuple[str, int]:
    """Bus and address of `i2c-1:0x48`; ValueError when it has another form."""
    bus, _, address = text.rpartition(":")
    if bus and address.removeprefix("0x").isalnum():
        with suppress(ValueError):
            return bus, int(address, 0)
    raise ValueError(f"{text!r}: an I2C device is written bus:address, i2c-1:0x48")
