"""The parts that take time as an argument: rates, CPU accounting, SenML, the event queue."""

import math
import os
import select
from collections.abc import Sequence
from typing import Self

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.sandbox import senml
from edge.sandbox.cpu import CpuMeter
from edge.sandbox.events import QUEUE_LIMIT, EventType, HardwareEvents
from edge.sandbox.rate import TokenBucket
from hal.errors import BusError
from hal.gpio import EdgeEvent

# --- rates -------------------------------------------------------------------------------------


def test_a_burst_of_ten_seconds_may_come_at_once_and_then_the_rate_holds():
    bucket = TokenBucket(rate=2, now=0)
    assert bucket.take(20, now=0)
    assert not bucket.take(1, now=0)
    assert bucket.take(2, now=1)
    assert not bucket.take(1, now=1)


def test_more_than_a_burst_passes_when_the_bucket_is_full_and_is_paid_back():
    bucket = TokenBucket(rate=1, now=0)
    assert bucket.take(100, now=0)
    assert not bucket.take(1, now=90)
    assert bucket.take(1, now=91)


def test_a_slow_rate_still_lets_one_through():
    assert TokenBucket(rate=0.001, now=0).take(1, now=0)


# --- CPU ---------------------------------------------------------------------------------------


def test_a_seconds_worth_may_be_used_at_once_and_then_the_share_holds():
    meter = CpuMeter(share=0.25, budget=100, now=0, cpu=0)
    assert meter.charge(cpu=0.25, now=0) == 0
    assert meter.charge(cpu=0.5, now=0) == pytest.approx(1.0)
    assert meter.charge(cpu=0.5, now=1) == pytest.approx(0)


def test_time_not_used_is_not_saved_up_beyond_a_second():
    meter = CpuMeter(share=0.5, budget=100, now=0, cpu=0)
    assert meter.charge(cpu=0.75, now=1000) == pytest.approx(0.5)


def test_the_budget_counts_from_the_last_refill():
    meter = CpuMeter(share=1, budget=1, now=0, cpu=7)
    meter.charge(cpu=8, now=1)
    assert not meter.over_budget
    meter.refill(cpu=8)
    meter.charge(cpu=9, now=2)
    assert not meter.over_budget
    meter.charge(cpu=9.01, now=2)
    assert meter.over_budget
    assert meter.used == pytest.approx(2.01)


# --- SenML -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        {2: 21.5},
        {2: 0},
        {0: "inside", 2: 1, 1: "Cel", 6: -5.5},
        {-2: "kitchen:", 0: "t", -3: 1.7e9, 2: 3},
        {3: "text"},
        {4: True},
        {8: b"data"},
        {5: 10.5},
        {2: 1, 5: 10, 7: 60},
        {-1: 10, -4: "Cel", -5: 20, -6: 1, 2: 1},
        {2: 1, "comment": "ignored"},
    ],
)
def test_a_record_of_rfc_8428_is_accepted(record: dict[object, object]):
    assert senml.check(cbor2.dumps([record]), "temperature") == 1


@pytest.mark.parametrize(
    ("pack", "words"),
    [
        (b"", "not CBOR"),
        (b"\xff", "not CBOR"),
        (cbor2.dumps([{2: 1}]) + b"\0", "not CBOR"),
        (cbor2.dumps({2: 1}), "array"),
        (cbor2.dumps([]), "array"),
        (cbor2.dumps([{2: 1}] * 1001), "1000"),
        (cbor2.dumps([{2: 1}, 5]), "record 1: must be a map"),
        (cbor2.dumps([{}]), "exactly one"),
        (cbor2.dumps([{0: "name"}]), "exactly one"),
        (cbor2.dumps([{2: 1, 3: "x"}]), "exactly one"),
        (cbor2.dumps([{2: math.nan}]), "v is nan"),
        (cbor2.dumps([{2: math.inf}]), "v is inf"),
        (cbor2.dumps([{2: True}]), "v is True"),
        (cbor2.dumps([{2: None}]), "v is None"),
        (cbor2.dumps([{2: 1 << 70}]), "not CBOR"),
        (cbor2.dumps([{4: 1}]), "vb is 1"),
        (cbor2.dumps([{2: 1, 6: 1e30}]), "t is"),
        (cbor2.dumps([{2: 1, 6: math.nan}]), "t is"),
        (cbor2.dumps([{2: 1, 1: "x" * 17}]), "u is"),
        (cbor2.dumps([{2: 1, 0: "sp ace"}]), "forbids"),
        (cbor2.dumps([{2: 1, 0: "-x"}]), "forbids"),
        (cbor2.dumps([{2: 1, 0: "x" * 130}]), "longer than"),
        (cbor2.dumps([{2: 1, 99: 1}]), "label 99"),
        (cbor2.dumps([{2: 1, 2.5: 1}]), "label"),
        (cbor2.dumps([{2: 1, "need_": 1}]), "need_"),
        (cbor2.dumps([{2: 1, -1: 11}]), "bver"),
        (bytes.fromhex("81a202010202"), "not CBOR"),
        (bytes.fromhex("81a102d8236161"), "not CBOR"),
        (bytes.fromhex("81a102c482201901f4"), "not CBOR"),
        (bytes.fromhex("81a102") + b"\x81" * 5000 + b"\0", "not CBOR"),
    ],
)
def test_what_is_no_senml_is_refused_with_the_field(pack: bytes, words: str):
    with pytest.raises(senml.InvalidPackError) as refused:
        senml.check(pack, "temperature")
    assert words in str(refused.value)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_pack_or_are_refused(pack: bytes):
    try:
        assert senml.check(pack, "s") >= 1
    except senml.InvalidPackError as refused:
        assert str(refused)  # noqa: PT017


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.integers(-7, 9) | st.text(), inner),
    max_leaves=4,
)


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.integers(-7, 9) | st.text(), json_like), max_size=4))
def test_any_records_are_a_pack_or_are_refused(records: list[object]):
    try:
        assert senml.check(cbor2.dumps(records), "s") == len(records)
    except senml.InvalidPackError as refused:
        assert str(refused)  # noqa: PT017


def test_a_pack_of_open_length_is_accepted():
    assert senml.check(bytes.fromhex("9fa10201bf0202ffff"), "s") == 2


# --- events ------------------------------------------------------------------------------------


class FakeLine:
    """An input whose edges the test makes."""

    def __init__(self) -> None:
        self.edges: list[EdgeEvent] = []
        self._event = os.eventfd(0)
        self.gone = False

    def read(self) -> bool:
        return False

    def write(self, *, value: bool) -> None:
        raise NotImplementedError

    def fileno(self) -> int:
        return self._event

    def read_edges(self) -> Sequence[EdgeEvent]:
        if self.gone:
            raise BusError("gone")
        edges, self.edges = self.edges, []
        return edges

    def close(self) -> None:
        os.close(self._event)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def test_the_oldest_edges_are_dropped_and_counted_when_the_queue_is_full():
    with FakeLine() as line:
        events = HardwareEvents(select.poll())
        events.watch_line(1, line)
        line.edges = [EdgeEvent(rising=True, time_ns=at) for at in range(QUEUE_LIMIT + 3)]
        line.edges[0] = EdgeEvent(rising=True, time_ns=0, lost=4)
        first = events.take([(line.fileno(), select.POLLIN)])
        assert first is not None
        assert (first.type, first.time_ns) == (EventType.GPIO_EDGE, 3)
        assert events.lost == 4 + 3
        rest = [events.take([]) for _ in range(QUEUE_LIMIT)]
        assert rest[-1] is None
        assert rest[-2] is not None


@pytest.mark.parametrize("flags", [select.POLLIN, select.POLLIN | select.POLLHUP, select.POLLERR])
def test_a_line_that_breaks_is_not_polled_any_more(flags: int):
    with FakeLine() as line:
        poller = select.poll()
        events = HardwareEvents(poller)
        events.watch_line(1, line)
        os.eventfd_write(line.fileno(), 1)
        line.gone = flags == select.POLLIN
        assert events.take([(line.fileno(), flags)]) is None
        assert poller.poll(0) == []
