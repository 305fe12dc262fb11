"""A board whose clock is not set: here, one whose store has seen a later time than the clock shows."""

import time
from collections.abc import Iterator

import pytest

from edge.timekeeper import RELEASED_NS, Timekeeper
from edge.wire.messages import Entry, EntryKind
from hal import clock

HOUR = 3600 * 10**9
LATER = time.time_ns() + 10_000 * HOUR
"""More than a year ahead of this machine's clock."""


class Facts:
    """In memory."""

    def __init__(self, time_ns: int) -> None:
        self.values = {"time": time_ns.to_bytes(8)}

    def get(self, name: str) -> bytes | None:
        return self.values.get(name)

    def set(self, name: str, value: bytes) -> None:
        self.values[name] = value

    @property
    def bound(self) -> int:
        return int.from_bytes(self.values["time"])


@pytest.fixture(autouse=True)
def uncorrected() -> Iterator[None]:
    yield
    clock.correct(clock.Correction())


def entry(seq: int, time_ns: int) -> Entry:
    return Entry(
        seq=seq, kind=EntryKind.SENML, app="a", stream="s", time_ns=time_ns, payload=b"\x80"
    )


def test_a_clock_that_is_set_is_believed_whatever_the_cloud_says():
    keeper = Timekeeper(Facts(RELEASED_NS), 0)
    before = clock.system_ns()
    keeper.heard(LATER)
    assert before <= clock.wall_ns() <= clock.system_ns()
    assert keeper.corrected([entry(1, before)]) == [entry(1, before)]


def test_a_clock_that_is_not_set_goes_on_from_the_last_known_time():
    facts = Facts(LATER)
    keeper = Timekeeper(facts, 0)
    assert LATER <= clock.wall_ns() < LATER + HOUR
    keeper.keep()
    assert LATER <= facts.bound < LATER + HOUR


def test_the_cloud_tells_the_time_to_a_board_that_does_not_know_it():
    facts = Facts(LATER)
    keeper = Timekeeper(facts, 0)
    keeper.heard(LATER + 48 * HOUR)
    assert LATER + 48 * HOUR <= clock.wall_ns() < LATER + 49 * HOUR
    keeper.keep()
    assert facts.bound >= LATER + 48 * HOUR


def test_a_cloud_that_does_not_know_it_either_is_not_asked():
    keeper = Timekeeper(Facts(LATER), 0)
    keeper.heard(5)
    assert clock.wall_ns() >= LATER


def test_readings_of_before_the_time_was_known_are_corrected_when_they_are_sent():
    keeper = Timekeeper(Facts(LATER), 7)
    early = clock.wall_ns()
    keeper.heard(LATER + 48 * HOUR)
    known = clock.wall_ns()
    earlier_boot, this_boot, after = entry(7, LATER - HOUR), entry(8, early), entry(9, known)
    times = [each.time_ns for each in keeper.corrected([earlier_boot, this_boot, after])]
    assert times[0] == LATER - HOUR
    assert LATER + 47 * HOUR < times[1] < known
    assert times[2] == known
