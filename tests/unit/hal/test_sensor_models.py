"""Sensor models answer as their data sheets say; time is set by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.sim.bme280 import Bme280, Trimming, celsius, fine_temperature, pascal, percent
from hal.sim.tmp105 import Lm75, Tmp105


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def ask(device, register: int, length: int) -> bytes:
    device.write(bytes([register]))
    return device.read(length)


def degrees(data: bytes) -> float:
    return int.from_bytes(data[:2], "big", signed=True) / 256


# --- TMP105 and LM75 ---


def test_tmp105_reads_zero_until_its_first_conversion_is_done() -> None:
    hand = Hand()
    sensor = Tmp105(hand, temperature=25.0)
    assert degrees(ask(sensor, 0, 2)) == 0
    hand.seconds += 0.028
    assert degrees(ask(sensor, 0, 2)) == 25.0


@pytest.mark.parametrize(("code", "expected"), [(0, 21.5), (1, 21.5), (2, 21.625), (3, 21.6875)])
def test_tmp105_cuts_to_the_resolution_of_its_configuration(code: int, expected: float) -> None:
    hand = Hand()
    sensor = Tmp105(hand, temperature=21.7)
    sensor.write(bytes([1, code << 5]))
    hand.seconds += 0.25
    assert degrees(ask(sensor, 0, 2)) == expected


@pytest.mark.parametrize(
    ("temperature", "raw"), [(127.9375, 0x7FF0), (0.25, 0x0040), (-0.25, 0xFFC0), (-55.0, 0xC900)]
)
def test_tmp105_gives_the_codes_of_the_data_sheets_table(temperature: float, raw: int) -> None:
    hand = Hand()
    sensor = Tmp105(hand, temperature)
    sensor.write(b"\x01\x60")
    hand.seconds += 0.25
    assert ask(sensor, 0, 2) == raw.to_bytes(2, "big")


def test_tmp105_keeps_its_pointer_and_its_limits() -> None:
    sensor = Tmp105(Hand())
    assert ask(sensor, 2, 2) == b"\x4b\x00"
    assert ask(sensor, 3, 2) == b"\x50\x00"
    sensor.write(b"\x03\x1e\x8f")
    assert sensor.read(2) == b"\x1e\x80"
    assert sensor.read(3) == b"\x1e\x80\xff"


def test_tmp105_shut_down_converts_once_for_each_one_shot() -> None:
    hand = Hand()
    sensor = Tmp105(hand, temperature=10.0)
    hand.seconds += 0.03
    sensor.write(b"\x01\x61")
    hand.seconds += 1.0
    assert degrees(ask(sensor, 0, 2)) == 10.0
    sensor.drive("temperature", 50.0)
    hand.seconds += 10.0
    assert degrees(ask(sensor, 0, 2)) == 10.0
    sensor.write(b"\x01\xe1")
    assert ask(sensor, 1, 1) == b"\x61"
    hand.seconds += 0.2
    assert degrees(ask(sensor, 0, 2)) == 10.0
    hand.seconds += 0.03
    assert degrees(ask(sensor, 0, 2)) == 50.0


def test_lm75_has_nine_bits_whatever_is_written() -> None:
    hand = Hand()
    sensor = Lm75(hand, temperature=21.7)
    sensor.write(b"\x01\x60")
    assert ask(sensor, 1, 1) == b"\x00"
    hand.seconds += 0.11
    assert degrees(ask(sensor, 0, 2)) == 21.5


# --- BME280 ---


def forced(sensor: Bme280, hand: Hand) -> bytes:
    sensor.write(b"\xf2\x01\xf4\x25")
    hand.seconds += 0.0093
    return ask(sensor, 0xF7, 8)


def test_bme280_tells_its_id_and_sleeps_with_the_reset_values() -> None:
    sensor = Bme280(Hand())
    assert ask(sensor, 0xD0, 1) == b"\x60"
    assert ask(sensor, 0xF7, 8) == b"\x80\x00\x00\x80\x00\x00\x80\x00"


def test_bme280_measures_while_its_status_says_so_and_sleeps_after_a_forced_one() -> None:
    hand = Hand()
    sensor = Bme280(hand)
    sensor.write(b"\xf2\x01\xf4\x25")
    assert ask(sensor, 0xF3, 1) == b"\x08"
    assert ask(sensor, 0xF4, 1) == b"\x25"
    hand.seconds += 0.0093
    assert ask(sensor, 0xF3, 2) == b"\x00\x24"
    assert ask(sensor, 0xF7, 3) != b"\x80\x00\x00"


def test_bme280_skips_humidity_until_ctrl_meas_is_written_after_ctrl_hum() -> None:
    hand = Hand()
    sensor = Bme280(hand)
    sensor.write(b"\xf4\x27")
    sensor.write(b"\xf2\x01")
    hand.seconds += 1.0
    assert ask(sensor, 0xFD, 2) == b"\x80\x00"
    sensor.write(b"\xf4\x27")
    hand.seconds += 1.0
    assert ask(sensor, 0xFD, 2) != b"\x80\x00"


def test_bme280_in_normal_mode_measures_again_after_its_standby_time() -> None:
    hand = Hand()
    sensor = Bme280(hand)
    sensor.write(b"\xf5\xa0\xf4\x27")
    hand.seconds += 0.01
    first = ask(sensor, 0xFA, 3)
    sensor.drive("temperature", 60.0)
    hand.seconds += 0.9
    assert ask(sensor, 0xFA, 3) == first
    hand.seconds += 0.2
    assert ask(sensor, 0xFA, 3) != first


def test_bme280_reset_word_puts_it_to_sleep() -> None:
    hand = Hand()
    sensor = Bme280(hand)
    forced(sensor, hand)
    sensor.write(b"\xe0\xb6")
    assert ask(sensor, 0xF4, 1) == b"\x00"
    assert ask(sensor, 0xFA, 3) == b"\x80\x00\x00"


def test_the_data_sheets_example_compensates_to_its_result() -> None:
    """Bosch BST-BMP280-DS001 section 3.12 works these raw values out: 25.08 °C, 100653.27 Pa."""
    trimming = Trimming()
    fine = fine_temperature(trimming, 519888)
    assert celsius(trimming, 519888) == pytest.approx(25.08, abs=0.005)
    assert pascal(trimming, 415148, fine) == pytest.approx(100653.27, abs=1.0)


def test_trimming_registers_decode_to_the_words_as_a_driver_does_it() -> None:
    trimming = Trimming(h4=-313, h5=-50, h6=-30, t3=-1000)
    registers = trimming.registers()
    e4, e5, e6, e7 = (registers[address] for address in range(0xE4, 0xE8))
    signed = int.from_bytes(bytes([e4]), signed=True)
    assert signed * 16 + (e5 & 0x0F) == -313
    assert int.from_bytes(bytes([e6]), signed=True) * 16 + (e5 >> 4) == -50
    assert int.from_bytes(bytes([e7]), signed=True) == -30
    t3 = bytes([registers[0x8C], registers[0x8D]])
    assert int.from_bytes(t3, "little", signed=True) == -1000


@given(
    temperature=st.floats(-40, 85),
    pressure=st.floats(30_000, 110_000),
    humidity=st.floats(0, 100),
)
def test_a_driver_that_follows_the_data_sheet_reads_what_was_set(
    temperature: float, pressure: float, humidity: float
) -> None:
    hand = Hand()
    sensor = Bme280(hand)
    sensor.drive("temperature", temperature)
    sensor.drive("pressure", pressure)
    sensor.drive("humidity", humidity)
    data = forced(sensor, hand)
    raw_p, raw_t = (int.from_bytes(data[at : at + 3], "big") >> 4 for at in (0, 3))
    raw_h = int.from_bytes(data[6:], "big")
    trimming = Trimming()
    fine = fine_temperature(trimming, raw_t)
    assert celsius(trimming, raw_t) == pytest.approx(temperature, abs=0.01)
    assert pascal(trimming, raw_p, fine) == pytest.approx(pressure, abs=1.0)
    assert percent(trimming, raw_h, fine) == pytest.approx(humidity, abs=0.05)
