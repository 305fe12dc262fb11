"""Simulated I2C: device models by bus and address, with faults on demand."""

import errno
import threading
from collections.abc import Callable, Sequence
from enum import Enum

from hal.errors import BusError, BusTimeoutError, NoDeviceError
from hal.i2c import Read, Write, check_messages
from hal.owned import Owned
from hal.sim.device import SimDevice


class Fault(Enum):
    """How a transaction can be made to fail."""

    NAK = "nak"
    TIMEOUT = "timeout"
    ERROR = "error"


class Socket:
    """Where a device sits on a bus: it may fail or be unplugged. The board's lock is held."""

    def __init__(self, name: str, device: SimDevice) -> None:
        """`name` is the bus and address, for errors."""
        self.name = name
        self.device = device
        self.present = True
        self.in_use = False
        self.transactions = 0
        self._fault = Fault.NAK
        self._faults_left = 0

    def fail(self, fault: Fault, times: int) -> None:
        """Make the next `times` transactions fail; 0 takes a failure back."""
        self._fault = fault
        self._faults_left = times

    def transfer(self, messages: Sequence[Write | Read]) -> list[bytes]:
        """One combined transaction with the device."""
        self.transactions += 1
        if self._faults_left:
            self._faults_left -= 1
            raise _error(self._fault, self.name)
        if not self.present:
            raise _error(Fault.NAK, self.name)
        answers: list[bytes] = []
        for message in messages:
            if isinstance(message, Read):
                answers.append(self.device.read(message.length))
            else:
                self.device.write(message.data)
        return answers


class SimI2CDevice(Owned):
    """One address on a simulated bus. Any thread may call; calls are serialised."""

    def __init__(
        self,
        name: str,
        socket: Socket | None,
        lock: threading.RLock,
        release: Callable[[], None],
    ) -> None:
        """`socket` is None where nothing sits: claiming the address works, talking does not."""
        super().__init__(name, release)
        self._lock = lock
        self._socket = socket

    def transfer(self, messages: Sequence[Write | Read]) -> list[bytes]:
        """One combined transaction; see `hal.i2c.I2CDevice`."""
        check_messages(messages)
        with self._held():
            if self._socket is None:
                raise _error(Fault.NAK, self.name)
            return self._socket.transfer(messages)


def _error(fault: Fault, name: str) -> BusError:
    if fault is Fault.NAK:
        return NoDeviceError(errno.ENXIO, f"{name}: nothing acknowledged")
    if fault is Fault.TIMEOUT:
        return BusTimeoutError(errno.ETIMEDOUT, f"{name}: the bus did not finish in time")
    return BusError(errno.EIO, f"{name}: error on the wire")
