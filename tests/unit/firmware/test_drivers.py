"""The drivers that run on a microcontroller, here against the simulated sensors."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.drivers.bme280 import Bme280, compensated, trimming
from firmware.drivers.tmp105 import Lm75, Tmp105
from hal.sim import SimBoard
from hal.sim.i2c import Fault
from tests.support.machine_i2c import MachineI2C

PROBE, AIR = 0x48, 0x76


class Desk:
    """A bus with one sensor, and the time that passes there."""

    def __init__(self, model: str, address: int) -> None:
        self.seconds = 1000.0
        self.board = SimBoard(now=lambda: self.seconds)
        self.board.add_device("i2c-1", address, model)
        self._name = f"i2c-1:{address:#x}"
        self.bus = MachineI2C({address: self.board.open_i2c("i2c-1", address)})
        self.address = address

    def feel(self, **values: float) -> None:
        self.board.drive(self._name, **values)
        self.seconds += 1

    def fail(self, times: int) -> None:
        self.board.drive(self._name, fail=Fault.NAK.value, times=times)

    def sleep_ms(self, ms: int) -> None:
        self.seconds += ms / 1000


@pytest.mark.parametrize(
    ("model", "driver", "step"), [("tmp105", Tmp105, 1 / 16), ("lm75", Lm75, 1 / 2)]
)
@pytest.mark.parametrize("celsius", [0.0, 21.73, -0.0625, -0.5, -39.97, -55.0, 125.0])
def test_a_thermometer_reads_what_it_feels_to_its_resolution(
    model: str, driver: Callable[..., Any], step: float, celsius: float
) -> None:
    desk = Desk(model, PROBE)
    sensor = driver(desk.bus, PROBE)
    desk.feel(temperature=celsius)
    sensor.celsius()
    desk.feel(temperature=celsius)
    assert abs(sensor.celsius() - celsius) <= step


def test_the_undefined_bits_of_an_lm75_are_not_read() -> None:
    class Noise:
        def readfrom_mem(self, *_asked: int) -> bytes:
            return bytes([0x15, 0xFF])

    assert Lm75(Noise(), PROBE).celsius() == 21.5


def test_a_tmp105_that_was_away_is_set_to_twelve_bits_again() -> None:
    desk = Desk("tmp105", PROBE)
    sensor = Tmp105(desk.bus, PROBE)
    sensor.celsius()
    desk.fail(1)
    with pytest.raises(OSError, match="nothing acknowledged"):
        sensor.celsius()
    desk.bus.writeto_mem(PROBE, 1, b"\x00")  # what a loss of power does
    sensor.celsius()
    desk.feel(temperature=20.0625)
    assert sensor.celsius() == 20.0625


@given(
    st.floats(-40, 85),
    st.floats(0, 100),
    st.floats(30_000, 110_000),
)
def test_a_bme280_reads_what_it_feels(celsius: float, percent: float, pascal: float) -> None:
    desk = Desk("bme280", AIR)
    desk.feel(temperature=celsius, humidity=percent, pressure=pascal)
    found = Bme280(desk.bus, AIR, desk.sleep_ms).measured()
    # A raw step of humidity is up to 0.03 %, and integers of the data sheet's are not its floats.
    assert found == pytest.approx((celsius, percent, pascal), abs=0.1, rel=1e-4)


def test_a_bme280_goes_on_measuring_and_is_waited_for_once() -> None:
    desk = Desk("bme280", AIR)
    waits: list[int] = []

    def sleep_ms(ms: int) -> None:
        waits.append(ms)
        desk.sleep_ms(ms)

    sensor = Bme280(desk.bus, AIR, sleep_ms)
    for celsius in (20.0, 25.0, -10.0):
        desk.feel(temperature=celsius)
        assert sensor.measured()[0] == pytest.approx(celsius, abs=0.02)
    assert waits == [10]


def test_a_bme280_that_lost_its_power_is_set_up_again() -> None:
    desk = Desk("bme280", AIR)
    sensor = Bme280(desk.bus, AIR, desk.sleep_ms)
    sensor.measured()
    desk.bus.writeto_mem(AIR, 0xE0, b"\xb6")  # its reset
    desk.feel(temperature=30.0)
    assert sensor.measured()[0] == pytest.approx(30.0, abs=0.02)


def test_another_chip_and_one_that_never_measures_are_errors() -> None:
    desk = Desk("tmp105", AIR)
    with pytest.raises(OSError, match="19"):
        Bme280(desk.bus, AIR, desk.sleep_ms).measured()
    desk = Desk("bme280", AIR)
    with pytest.raises(OSError, match="110"):
        Bme280(desk.bus, AIR, lambda _ms: None).measured()


def test_the_example_of_the_data_sheet_of_its_kin_comes_out() -> None:
    # BMP280, section 3.12: the same formulas for temperature and pressure, with all numbers given.
    words = (27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
    celsius, _, pascal = compensated((*words, 75, 370, 0, 313, 50, 30), 519888, 415148, 0x8000)
    assert celsius == 25.08
    assert pascal == pytest.approx(100653.27, abs=0.02)


def test_signed_words_of_the_trimming_are_signed() -> None:
    second = bytes([0x72, 0x01, 0x00, 0xF3, 0x2D, 0x83, 0xE2])
    h1, h2, h3, h4, h5, h6 = trimming(bytes(26), second)[12:]
    assert (h1, h2, h3) == (0, 370, 0)
    assert (h4, h5, h6) == ((-13 << 4) | 13, (-125 << 4) | 2, -30)
