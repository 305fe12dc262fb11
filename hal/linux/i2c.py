"""I2C through i2c-dev (smbus2): every transaction is one I2C_RDWR ioctl."""

import errno
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hal.errors import BusError
from hal.i2c import Read, Write, check_messages
from hal.linux.faults import opening, using
from hal.owned import Owned

_GROUP = "i2c"


class LinuxI2CDevice(Owned):
    """One address on a bus. Any thread may call; calls are serialised."""

    def __init__(self, name: str, node: Path, address: int, released: Callable[[], None]) -> None:
        """Open the bus; `released` is called when the address is free again."""
        from smbus2 import SMBus  # noqa: PLC0415 - only a board with an I2C grant pays for it

        with opening(name, _GROUP):
            self._bus = SMBus(str(node))
        super().__init__(name, self._free)
        self._address = address
        self._released = released

    def transfer(self, messages: Sequence[Write | Read]) -> list[bytes]:
        """One combined transaction; see `hal.i2c.I2CDevice`."""
        from smbus2 import i2c_msg  # noqa: PLC0415

        check_messages(messages)
        wire = [
            i2c_msg.read(self._address, message.length)
            if isinstance(message, Read)
            else i2c_msg.write(self._address, message.data)
            for message in messages
        ]
        with self._held(), using(self.name), _reads_once(self.name, messages):
            self._bus.i2c_rdwr(*wire)
        return [
            bytes(sent)
            for message, sent in zip(messages, wire, strict=True)
            if isinstance(message, Read)
        ]

    def _free(self) -> None:
        try:
            self._bus.close()
        except OSError as fault:
            raise BusError(fault.errno, f"{self.name}: {fault.strerror}") from fault
        finally:
            self._released()


@contextmanager
def _reads_once(name: str, messages: Sequence[Write | Read]) -> Generator[None, None, None]:
    """Tells what to do where an adapter cannot do what was asked, as i2c-bcm2835 cannot."""
    try:
        yield
    except OSError as fault:
        early = any(isinstance(message, Read) for message in messages[:-1])
        if fault.errno != errno.EOPNOTSUPP or not early:
            raise  # an adapter that speaks only SMBus refuses every transaction with the same number
        raise BusError(
            fault.errno,
            f"{name}: this bus takes one read, as the last message: "
            "make one transaction for each read",
        ) from fault
