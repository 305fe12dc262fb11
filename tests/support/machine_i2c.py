"""The reading and writing calls of MicroPython's `machine.I2C`, on devices of the hardware layer.

So the drivers of `firmware/drivers` run on a desk, against the simulated sensors or a real bus.
"""

from collections.abc import Mapping

from hal.i2c import I2CDevice, Read, Write


class MachineI2C:
    """One bus; a transaction with an address where nobody is fails as MicroPython's does: OSError."""

    def __init__(self, devices: Mapping[int, I2CDevice]) -> None:
        self._devices = devices

    def readfrom_mem(self, address: int, register: int, count: int) -> bytes:
        (data,) = self._at(address).transfer([Write(bytes([register])), Read(count)])
        return data

    def readfrom_mem_into(self, address: int, register: int, buffer: bytearray) -> None:
        buffer[:] = self.readfrom_mem(address, register, len(buffer))

    def writeto_mem(self, address: int, register: int, data: bytes) -> None:
        self._at(address).transfer([Write(bytes([register]) + bytes(data))])

    def _at(self, address: int) -> I2CDevice:
        if address not in self._devices:
            raise OSError(5, f"nobody at {address:#x}")
        return self._devices[address]
