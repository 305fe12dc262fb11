"""What a node may configure of a device, and which words name what is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.device.config import DEFAULT, PROPERTIES_LIMIT, ConfigError, checked
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
