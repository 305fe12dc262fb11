"""What a node may configure of a device, and which words name what is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.device.config import DEFAULT, PROPERTIES_LIMIT, ConfigError, checked, names_of
from firmware.device.log import LINE_LIMIT, LINES, Log
from firmware.link import cbor

BUSES = {"probe": {"scl": "SCL3", "sda": "SDA3"}}


def test_defaults_are_filled_in_and_nothing_is_configured_at_first():
    assert checked({}) == DEFAULT
    made = checked(
        {"buses": BUSES, "properties": {"air": {"kind": "tmp105", "bus": "probe", "address": 72}}}
    )
    assert made["buses"] == {"probe": {"scl": "SCL3", "sda": "SDA3", "freq": 100_000}}
    assert made["properties"] == {
        "air": {"kind": "tmp105", "bus": "probe", "address": 72, "every": 1000, "change": 0.0625}
    }
    assert checked(made) == made


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (7, "config: must be a map"),
        ({"propertys": {}}, "propertys: unknown; there are buses, properties"),
        ({"watchdog": True}, "watchdog: must be an integer from 1000 to 60000"),
        ({"properties": {"": {}}}, "properties: names are text of 1 to 24"),
        ({"properties": {"a": {"kind": "in"}}}, "properties.a.pin: is missing"),
        (
            {"properties": {"a": {"kind": "in", "pin": "P", "safe": 1}}},
            "properties.a.safe: unknown",
        ),
        (
            {"properties": {"a": {"kind": "out", "pin": "P", "safe": 2}}},
            "a.safe: must be an integer",
        ),
        ({"properties": {"a": {"kind": "out", "pin": 4}}}, "a.pin: must be text"),
        ({"properties": {"a": {"kind": "in", "pin": "P", "every": 1}}}, "a.every: must be an"),
        (
            {"properties": {"a": {"kind": "tmp105", "bus": "b", "address": 72}}},
            "properties.a.bus: there is no bus b",
        ),
        ({"buses": {"b": {"scl": "X"}}}, "buses.b.sda: is missing"),
        (
            {
                "properties": {
                    str(n): {"kind": "in", "pin": "P"} for n in range(PROPERTIES_LIMIT + 1)
                }
            },
            "properties: more than 32",
        ),
    ],
)
def test_what_is_wrong_is_named(config: object, words: str):
    with pytest.raises(ConfigError) as caught:
        checked(config)
    assert words in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.dictionaries(
            st.sampled_from(["buses", "properties", "a", "kind", "pin", "safe", "every"]), inner
        ),
    )
)
def test_whatever_comes_is_taken_or_refused(config: object):
    try:
        made = checked(config)
    except ConfigError:
        return
    assert cbor.decode(cbor.encode(made)) == made


def test_the_log_keeps_the_newest_lines_and_their_numbers():
    log = Log()
    for number in range(LINES + 6):
        log.add(number, "x" * 500)
    lines = log.since(0, 2)
    assert lines == [[6, 6, "x" * LINE_LIMIT], [7, 7, "x" * LINE_LIMIT]]
    assert [line[0] for line in log.since(LINES + 4, 9)] == [LINES + 4, LINES + 5]
    assert log.since(LINES + 6, 9) == []


def test_the_kinds_have_the_defaults_that_their_page_tells():
    made = checked(
        {
            "buses": BUSES,
            "properties": {
                "tank": {"kind": "adc", "pin": "GP26"},
                "fan": {"kind": "pwm", "pin": "GP15"},
                "attic": {"kind": "bme280", "bus": "probe"},
                "door": {"kind": "in", "pin": "GP2", "pull": "up"},
            },
        }
    )["properties"]
    assert isinstance(made, dict)
    assert made["tank"] == {
        "kind": "adc",
        "pin": "GP26",
        "every": 1000,
        "low": 0,
        "high": 1,
        "change": 0.01,
    }
    assert made["fan"] == {"kind": "pwm", "pin": "GP15", "freq": 1000, "safe": 0}
    assert made["attic"] == {
        "kind": "bme280",
        "bus": "probe",
        "address": 0x76,
        "every": 1000,
        "temperature": 0.1,
        "humidity": 0.5,
        "pressure": 20,
    }
    assert names_of(made) == [
        "tank",
        "fan",
        "attic.temperature",
        "attic.humidity",
        "attic.pressure",
        "door",
    ]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"kind": "in", "pin": "P", "pull": "left"}, "properties.a.pull: must be up or down"),
        (
            {"kind": "pwm", "pin": "P", "safe": 2},
            "properties.a.safe: must be a number from 0 to 1",
        ),
        ({"kind": "pwm", "pin": "P", "freq": 0.5}, "properties.a.freq: must be an integer"),
        ({"kind": "adc", "pin": "P", "low": "no"}, "properties.a.low: must be a number"),
        (
            {"kind": "bme280", "bus": "probe", "address": 0x48},
            "must be an integer from 118 to 119",
        ),
    ],
)
def test_what_is_wrong_with_a_kind_is_named(entry: dict[str, object], words: str):
    with pytest.raises(ConfigError) as caught:
        checked({"buses": BUSES, "properties": {"a": entry}})
    assert words in str(caught.value)


def test_a_weather_sensor_counts_as_three_and_its_names_stay_short():
    entry = {"kind": "bme280", "bus": "probe"}
    eleven = {str(number): entry for number in range(11)}
    with pytest.raises(ConfigError, match="more than 32"):
        checked({"buses": BUSES, "properties": eleven})
    with pytest.raises(ConfigError, match="1 to 24 characters"):
        checked({"buses": BUSES, "properties": {"a" * 13: entry}})
    checked({"buses": BUSES, "properties": {"a" * 12: entry}})
