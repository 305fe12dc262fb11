"""An address on an I2C bus of an attached microcontroller: a transaction is one request."""

import errno
from collections.abc import Callable, Sequence

from firmware.link.smp import WRITE
from hal.errors import BusError
from hal.i2c import Read, Write, check_messages, device_name
from hal.link.answers import GROUP, I2C, TRANSACTION_LIMIT, checked
from hal.link.link import Link
from hal.owned import Owned


class McuI2CDevice(Owned):
    """One address. Any thread may call; calls are serialised."""

    def __init__(
        self, name: str, bus: str, address: int, link: Link, released: Callable[[], None]
    ) -> None:
        """`name` and `bus`: the bus on this node, and on the device."""
        super().__init__(device_name(name, address), released)
        self._bus = bus
        self._address = address
        self._link = link

    def wish(self) -> dict[str, object]:
        """What to ask the device for: the content of OPEN."""
        return {"b": self._bus, "a": self._address}

    def transfer(self, messages: Sequence[Write | Read]) -> list[bytes]:
        """One combined transaction; see `hal.i2c.I2CDevice`."""
        check_messages(messages)
        reads = [each.length for each in messages if isinstance(each, Read)]
        written = sum(len(each.data) for each in messages if isinstance(each, Write))
        if max(sum(reads), written) > TRANSACTION_LIMIT:
            raise BusError(
                errno.EMSGSIZE,
                f"{self.name}: a microcontroller reads and writes at most {TRANSACTION_LIMIT} "
                "bytes in a transaction: make it several",
            )
        wire = [each.length if isinstance(each, Read) else each.data for each in messages]
        with self._held():
            answer = self._link.request(WRITE, GROUP, I2C, {**self.wish(), "m": wire})
            found = checked(self.name, answer).get("r")
        if isinstance(found, list):
            replies = [each for each in found if isinstance(each, bytes)]
            if [len(each) for each in replies] == reads:
                return replies
        raise BusError(errno.EPROTO, f"{self.name}: the device answered with something else")
