"""The small CBOR beside the large one: what one writes, the other reads."""

import math

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.link import cbor, smp
from firmware.link.errors import MalformedError

plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 64), (1 << 64) - 1),
    st.floats(allow_nan=False),
    st.text(max_size=40),
    st.binary(max_size=300),
)
keys = st.one_of(st.text(max_size=8), st.integers(0, 1000))
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=20,
).filter(lambda value: _depth(value) <= cbor.DEPTH_LIMIT)


def _depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_depth, inner), default=0) if isinstance(value, (list, dict)) else 0


@given(values)
def test_what_we_write_others_read(value):
    assert cbor2.loads(cbor.encode(value)) == value


@given(values)
def test_what_others_write_we_read(value):
    assert cbor.decode(cbor2.dumps(value)) == value
    assert cbor.decode(cbor2.dumps(value, canonical=True)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_refused(data):
    try:
        value = cbor.decode(data)
    except MalformedError:
        return
    assert cbor.encode(cbor.decode(cbor.encode(value))) == cbor.encode(value)


@pytest.mark.parametrize(
    ("data", "value"),
    [("f93c00", 1.0), ("f90001", 2**-24), ("f97bff", 65504.0), ("f9fc00", -math.inf)],
)
def test_half_floats_are_those_of_the_rfc(data, value):
    assert cbor.decode(bytes.fromhex(data)) == value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "cut off"),
        ("18", "cut off"),
        ("9f", "indefinite"),
        ("c100", "a tag"),
        ("62c328", "UTF-8"),
        ("a2010a0102", "a key twice"),
        ("5a7fffffff", "longer"),
        ("81" * 10 + "00", "too deep"),
        ("0000", "after the value"),
        ("f0", "simple"),
    ],
)
def test_what_is_refused_is_named(data, message):
    with pytest.raises(MalformedError, match=message):
        cbor.decode(bytes.fromhex(data))


def test_a_message_of_mcumgr_has_these_bytes():
    sent = smp.encode(smp.WRITE, smp.GROUP_OS, smp.OS_ECHO, 66, {"d": "hi"})
    assert sent.hex() == "0a00000600004200" + "a1616462" + "6869"
    assert smp.decode(sent) == (smp.WRITE, smp.GROUP_OS, smp.OS_ECHO, 66, {"d": "hi"})


@pytest.mark.parametrize(
    "data", ["", "0a000006000042", "0a00000600004200a0", "0a0000010000420001"]
)
def test_what_is_no_message_is_refused(data):
    with pytest.raises(MalformedError):
        smp.decode(bytes.fromhex(data))
