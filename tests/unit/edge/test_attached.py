"""What microcontrollers report becomes telemetry, or a line of the log."""

import logging
from pathlib import Path
from types import SimpleNamespace

import cbor2
import pytest

from edge.attached import PropertyKeeper
from edge.store import Store
from hal.report import PropertyReport

NOW = SimpleNamespace(monotonic_ns=lambda: 5_000_000_000, wall_ns=lambda: 1_800_000_000 * 10**9)


@pytest.fixture
def store(tmp_path: Path):
    with_limit = Store.open(tmp_path / "store", outbox_limit=1 << 20)
    yield with_limit
    with_limit.close()


def report(**changes: object) -> PropertyReport:
    usual = {"device": "pico", "name": "air", "value": 21.5, "error": ""}
    return PropertyReport(**usual | {"monotonic_ns": 3_000_000_000} | changes)


def test_a_report_is_a_record_of_when_it_was_sampled(store: Store):
    keeper = PropertyKeeper(store.outbox, NOW)
    keeper.keep(report())
    keeper.keep(report(name="door", value=True))
    store.outbox.flush("mcu--pico", 5)
    first, second = store.outbox.read(0, 1 << 16, 10)
    assert (first.app, first.stream) == ("mcu--pico", "air")
    assert first.time_ns == NOW.wall_ns() - 2_000_000_000
    assert cbor2.loads(first.payload) == [{2: 21.5}]
    assert cbor2.loads(second.payload) == [{4: True}]


def test_an_error_is_said_once_and_again_after_it_was_well(
    store: Store, caplog: pytest.LogCaptureFixture
):
    keeper = PropertyKeeper(store.outbox, NOW)
    logging.getLogger("edge").propagate = True
    for value in (None, None, 20.0, None):
        keeper.keep(report(value=value, error="errno 19"))
    assert [line for line in caplog.messages if line == "air of pico: errno 19"] == [
        "air of pico: errno 19"
    ] * 2
    keeper.keep(report(name="Luft außen"))
    assert "cannot be a stream's" in caplog.messages[-1]
    assert len(store.outbox.read(0, 1 << 16, 10)) <= 1
