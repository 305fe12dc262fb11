"""Thermometers of the LM75 family: TMP105, LM75 and what is made after them (TI SBOS148, SNOS808)."""

_TEMPERATURE, _CONFIGURATION = 0, 1
_TWELVE_BITS = b"\x60"
_LM75_MASK = 0xFF80
"""Nine bits: what an LM75 says of the other seven is undefined."""


class Lm75:
    """A thermometer of nine bits, half a degree; it measures by itself from the moment it has power."""

    def __init__(self, bus, address):
        """`bus`: see `firmware.drivers`."""
        self._bus = bus
        self._address = address

    def celsius(self):
        """Degrees Celsius of the last conversion; OSError when the sensor does not answer."""
        return self._read(_LM75_MASK)

    def _read(self, mask):
        data = self._bus.readfrom_mem(self._address, _TEMPERATURE, 2)
        raw = (data[0] << 8 | data[1]) & mask
        return (raw - 0x10000 if raw & 0x8000 else raw) / 256


class Tmp105(Lm75):
    """The same with twelve bits, a sixteenth of a degree, which it must be told after each power-up.

    An LM75A or LM75B, of eleven bits, is read right by it, too: it has no such setting to be changed.
    """

    def __init__(self, bus, address):
        super().__init__(bus, address)
        self._is_set = False

    def celsius(self):
        """As above; the first reading may still be one of nine bits."""
        try:
            if not self._is_set:
                self._bus.writeto_mem(self._address, _CONFIGURATION, _TWELVE_BITS)
            self._is_set = True
            return self._read(0xFFFF)
        except OSError:
            self._is_set = False  # when it is there again, it will have lost its power meanwhile
            raise
