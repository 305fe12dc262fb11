"""BME280: temperature, humidity and pressure (Bosch BST-BME280-DS002).

The chip measures by itself, about twice a second, so that reading it waits for nothing but the first
time. What it says is corrected with the integers of the data sheet's section 4.2.3, because small
interpreters have floats of 32 bits, which are too short for it.
"""

import struct

_CHIP_ID, _IS_BME280 = 0xD0, 0x60
_CALIBRATION_1, _CALIBRATION_2 = 0x88, 0xE1
_CTRL_HUM, _CTRL_MEAS, _CONFIG, _DATA = 0xF2, 0xF4, 0xF5, 0xF7
_ONCE_HUM = b"\x01"
_ONCE_AND_ON = b"\x27"
"""One sample of temperature and of pressure; normal mode."""
_HALF_SECOND = b"\x80"
"""Between measurements; no filter."""
_SKIPPED, _SKIPPED_HUM = 0x80000, 0x8000
"""In the data before there was a measurement."""
_MEASURING_MS = 10
"""One of everything takes at most 9.3 ms (section 9.1)."""
_NO_DEVICE, _TIMED_OUT = 19, 110
"""errno ENODEV, ETIMEDOUT."""


class Bme280:
    """A BME280 at `address`, set up when it is first read, and again when it has lost its power."""

    def __init__(self, bus, address, sleep_ms):
        """`bus`: see `firmware.drivers`. `sleep_ms`: waits so many milliseconds."""
        self._bus = bus
        self._address = address
        self._sleep_ms = sleep_ms
        self._trimming = None

    def measured(self):
        """Degrees Celsius, percent of relative humidity, pascal: of one measurement.

        OSError when the sensor does not answer, is another one, or does not measure.
        """
        for _ in range(2):
            if self._trimming is not None:
                data = self._bus.readfrom_mem(self._address, _DATA, 8)
                raw_p = data[0] << 12 | data[1] << 4 | data[2] >> 4
                raw_t = data[3] << 12 | data[4] << 4 | data[5] >> 4
                raw_h = data[6] << 8 | data[7]
                if _SKIPPED not in (raw_t, raw_p) and raw_h != _SKIPPED_HUM:
                    return compensated(self._trimming, raw_t, raw_p, raw_h)
            self._start()
            self._sleep_ms(_MEASURING_MS)
        raise OSError(_TIMED_OUT)

    def _start(self):
        bus, address = self._bus, self._address
        if bus.readfrom_mem(address, _CHIP_ID, 1)[0] != _IS_BME280:
            raise OSError(_NO_DEVICE)
        first = bus.readfrom_mem(address, _CALIBRATION_1, 26)
        second = bus.readfrom_mem(address, _CALIBRATION_2, 7)
        bus.writeto_mem(address, _CONFIG, _HALF_SECOND)
        bus.writeto_mem(address, _CTRL_HUM, _ONCE_HUM)  # counts from the next write on
        bus.writeto_mem(address, _CTRL_MEAS, _ONCE_AND_ON)
        self._trimming = trimming(first, second)


def trimming(first, second):
    """T1 … T3, P1 … P9, H1 … H6 of the registers from 0x88 and from 0xE1 on (table 16)."""
    words = struct.unpack("<HhhHhhhhhhhh", first[:24])
    h2, h3, high4, shared, high5, h6 = struct.unpack("<hBbBbb", second)
    humidity = (first[25], h2, h3, high4 << 4 | shared & 15, high5 << 4 | shared >> 4, h6)
    return words + humidity


def compensated(trim, raw_t, raw_p, raw_h):
    """Celsius, percent, pascal of a raw measurement."""
    t1, t2, t3, p1, p2, p3, p4, p5, p6, p7, p8, p9, h1, h2, h3, h4, h5, h6 = trim
    one = ((raw_t >> 3) - (t1 << 1)) * t2 >> 11
    two = (((raw_t >> 4) - t1) ** 2 >> 12) * t3 >> 14
    fine = one + two

    half = fine - 128000
    offset = half * half * p6 + (half * p5 << 17) + (p4 << 35)
    slope = (half * half * p3 >> 8) + (half * p2 << 12)
    slope = ((1 << 47) + slope) * p1 >> 33
    if slope == 0:
        raise OSError(_NO_DEVICE)  # no calibration: nothing to divide by
    pressure = (((1048576 - raw_p) << 31) - offset) * 3125 // slope
    pressure += (p9 * (pressure >> 13) ** 2 >> 25) + (p8 * pressure >> 19)
    pressure = (pressure >> 8) + (p7 << 4)

    warm = fine - 76800
    base = ((raw_h << 14) - (h4 << 20) - h5 * warm + 16384) >> 15
    curve = ((warm * h6 >> 10) * ((warm * h3 >> 11) + 32768) >> 10) + 2097152
    humidity = base * ((curve * h2 + 8192) >> 14)
    humidity -= ((humidity >> 15) ** 2 >> 7) * h1 >> 4
    humidity = min(max(humidity, 0), 100 << 22) >> 12
    return ((fine * 5 + 128) >> 8) / 100, humidity / 1024, pressure / 256
