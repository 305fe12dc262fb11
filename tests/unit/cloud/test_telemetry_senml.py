"""SenML in CBOR: what RFC 8428 says of each field, and that nothing else gets through."""

import math
from decimal import Decimal

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.telemetry.errors import SenmlError
from cloud.telemetry.senml import decode
from tests.support.data import (
    BN,
    BS,
    BT,
    BU,
    BV,
    BVER,
    NOON,
    SECOND,
    UT,
    VB,
    VD,
    VS,
    N,
    S,
    T,
    U,
    V,
)

NAN, INF = math.nan, math.inf


def read(*records):
    return decode(cbor2.dumps(list(records)), NOON)


def test_a_bare_value_is_of_now():
    (record,) = read({V: 21.5})
    assert (record.name, record.unit, record.time_ns, record.number) == ("", "", NOON, 21.5)


def test_base_fields_hold_for_the_records_that_follow():
    first, second = read(
        {BN: "room:", BT: 1_700_000_000, BU: "Cel", BV: 20, N: "a", V: 1},
        {N: "b", T: 2, V: 2.5},
    )
    assert (first.name, first.unit, first.number) == ("room:a", "Cel", 21.0)
    assert first.time_ns == 1_700_000_000 * SECOND
    assert (second.name, second.unit, second.number) == ("room:b", "Cel", 22.5)
    assert second.time_ns == 1_700_000_002 * SECOND


def test_later_base_fields_replace_earlier_ones():
    _, second = read({BU: "Cel", V: 1}, {BU: "K", V: 2})
    assert second.unit == "K"


def test_a_records_own_unit_wins():
    (record,) = read({BU: "Cel", U: "K", V: 1})
    assert record.unit == "K"


@pytest.mark.parametrize(("time", "ago"), [(-10, 10), (-0.5, 0.5), (Decimal("-1.25"), 1.25)])
def test_small_times_are_relative_to_now(time, ago):
    (record,) = read({T: time, V: 1})
    assert record.time_ns == NOON - int(ago * SECOND)


def test_times_from_2_to_the_28_on_are_absolute():
    (below,), (above,) = read({T: 2**28 - 1, V: 1}), read({T: 2**28, V: 1})
    assert below.time_ns == NOON + (2**28 - 1) * SECOND
    assert above.time_ns == 2**28 * SECOND


def test_whole_seconds_with_a_small_fraction_stay_exact():
    (record,) = read({BT: 1_700_000_001, T: 0.000_001, V: 1})
    assert record.time_ns == 1_700_000_001 * SECOND + 1000


def test_each_kind_of_value_is_kept():
    records = read({VS: "on"}, {VB: False}, {VD: b"\x01"}, {S: 5, UT: 60}, {BS: 1, V: 2, S: 3})
    assert records[0].text == "on"
    assert records[1].flag is False
    assert records[2].data == b"\x01"
    assert (records[3].number, records[3].total, records[3].update_s) == (None, 5.0, 60.0)
    assert (records[4].number, records[4].total) == (2.0, 4.0)


def test_decimal_fractions_are_numbers():
    assert read({V: Decimal("21.55")})[0].number == 21.55


def test_unknown_labels_are_ignored_unless_they_must_be_understood():
    assert read({V: 1, "note": "x"})[0].number == 1
    with pytest.raises(SenmlError, match="note_"):
        read({V: 1, "note_": "x"})


@pytest.mark.parametrize(
    ("records", "field"),
    [
        ([{}], "exactly one of"),
        ([{V: 1, VS: "x"}], "exactly one of"),
        ([{N: "a"}], "exactly one of"),
        ([{V: "1"}], r"\[0\].v: "),
        ([{V: True}], r"\[0\].v: "),
        ([{V: NAN}], r"\[0\].v: "),
        ([{V: INF}], r"\[0\].v: "),
        ([{V: None}], r"\[0\].v: must not be null"),
        ([{VS: 1}], r"\[0\].vs: "),
        ([{VB: 1}], r"\[0\].vb: "),
        ([{VD: "x"}], r"\[0\].vd: "),
        ([{V: 1}, {V: 1, T: "now"}], r"\[1\].t: "),
        ([{V: 1, T: 1e300}], r"\[0\].t: "),
        ([{V: 1, T: -2_000_000_000}], r"\[0\].t: "),
        ([{V: 1, N: "a b"}], r"\[0\].n: "),
        ([{V: 1, BN: "x" * 193}], r"\[0\].bn: "),
        ([{V: 1, U: 5}], r"\[0\].u: "),
        ([{V: 1, UT: "x"}], r"\[0\].ut: "),
        ([{V: 1, BVER: 11}], r"\[0\].bver: "),
        ([{V: 1, BVER: 5}, {V: 1, BVER: 6}], r"\[1\].bver: "),
        ([{V: 1, 9: 1}], "label 9"),
        ([{V: 1, "v": 1}], "integer label 2"),
        ([5], r"\[0\]: must be a map"),
        ([], "array of 1 to 1000"),
        ([{V: 1}] * 1001, "array of 1 to 1000"),
        ([{V: 1 << 70}], "not CBOR"),
    ],
)
def test_what_is_wrong_is_named(records, field):
    with pytest.raises(SenmlError, match=field):
        read(*records)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x80\x00",
        b"\x81\xa2\x02\x01\x02\x02",  # a label twice
        b"\x81\xa1\x02\xd8\x1c\x81\xd8\x1d\x00",  # an array that holds itself
        b"\x81" * 500,
        cbor2.dumps([{V: 1}]) + b"\x00",
        b"\x81\xa1\x03\x62\xff\xff",  # text that is not UTF-8
    ],
)
def test_bytes_that_are_no_pack_are_refused(payload):
    with pytest.raises(SenmlError):
        decode(payload, NOON)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=9)
    | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(-9, 9), inner),
    max_leaves=8,
)
RECORDS = st.lists(
    st.dictionaries(st.integers(-7, 9) | st.text(max_size=3), ANYTHING, max_size=6), max_size=4
)


@given(st.binary(max_size=80))
def test_any_bytes_give_records_or_a_senml_error(payload):
    _check(payload)


@given(RECORDS)
def test_any_records_give_records_or_a_senml_error(records):
    _check(cbor2.dumps(records))


@given(
    mantissa=st.integers(-(1 << 63), (1 << 63) - 1),
    exponent=st.integers(-(1 << 63), (1 << 63) - 1),
    label=st.sampled_from([V, T, BT, BV, S, UT]),
)
def test_any_decimal_fraction_gives_records_or_a_senml_error(mantissa, exponent, label):
    fraction = cbor2.CBORTag(4, [exponent, mantissa])
    _check(cbor2.dumps([{VS: "x", label: fraction} if label != V else {V: fraction}]))


def _check(payload):
    try:
        records = decode(payload, NOON)
    except SenmlError:
        return
    for record in records:
        assert 0 <= record.time_ns < 1 << 63
        for number in (record.number, record.total, record.update_s):
            assert number is None or math.isfinite(number)
