"""The drivers over registers that are given, on any interpreter: what they make of them is printed.

micropython driver_vectors.py     with the project's folder as the working directory
"""

import sys

sys.path.insert(0, ".")

from firmware.drivers.bme280 import Bme280
from firmware.drivers.tmp105 import Lm75, Tmp105

CALIBRATION = (
    b"\x70\x6b\x43\x67\x18\xfc\x7d\x8e\x43\xd6\xd0\x0b\x27\x0b\x8c\x00\xf9\xff\x8c\x3c\xf8\xc6"
    b"\x70\x17\x00\x4b"
)
HUMIDITY = b"\x72\x01\x00\x13\x29\x03\x1e"


class Registers:
    """A bus with one chip, which holds what is in its registers."""

    def __init__(self, held):
        self._held = held

    def readfrom_mem(self, _address, register, count):
        return self._held[register][:count]

    def writeto_mem(self, _address, _register, _data):
        pass


def main():
    for raw in (0x0000, 0x15FF, 0x7FF0, 0x8000, 0xC900, 0xFFC0, 0xFFFF):
        bus = Registers({0: bytes([raw >> 8, raw & 255])})
        print(raw, Tmp105(bus, 0x48).celsius(), Lm75(bus, 0x48).celsius())  # noqa: T201
    for raw_p, raw_t, raw_h in (
        (415148, 519888, 0x6E00),
        (0, 0, 0),
        (0xFFFFF, 0xFFFFF, 0xFFFF),
        (300000, 300000, 0x4000),
        (250000, 620000, 0x9000),
    ):
        data = (raw_p << 4).to_bytes(3, "big") + (raw_t << 4).to_bytes(3, "big")
        data += raw_h.to_bytes(2, "big")
        held = {0xD0: b"\x60", 0x88: CALIBRATION, 0xE1: HUMIDITY, 0xF7: data}
        found = Bme280(Registers(held), 0x76, lambda _ms: None).measured()
        print(raw_p, raw_t, raw_h, [round(value * 1000) for value in found])  # noqa: T201


if __name__ == "__main__":
    main()
