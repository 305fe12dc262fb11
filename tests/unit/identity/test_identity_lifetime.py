"""When a certificate is renewed, as a function of time and chance."""

from hypothesis import assume, given
from hypothesis import strategies as st

from edge.identity.lifetime import EARLIEST, LATEST, Facts, Step, draw, next_step, renew_at

TIMES = st.integers(0, 1 << 62)
SHARES = st.floats(EARLIEST, LATEST)


def facts(start: int, end: int) -> Facts:
    return Facts(node="n", serial="1", not_before_ns=start, not_after_ns=end)


@given(TIMES, TIMES, SHARES, TIMES)
def test_every_moment_of_a_life_has_one_step_and_they_come_in_order(start, end, share, now):
    assume(start < end)
    found = facts(start, end)
    order = [Step.NOTHING, Step.RENEW, Step.REENROL]
    later = next_step(found, share, now + 1)
    assert order.index(next_step(found, share, now)) <= order.index(later)
    assert (next_step(found, share, now) is Step.REENROL) == (now >= end)


@given(st.integers(0, 1 << 40), st.integers(1000, 1 << 50), SHARES)
def test_renewal_falls_into_the_second_half_and_leaves_a_quarter(start, life, share):
    at = renew_at(facts(start, start + life), share)
    assert start + life * EARLIEST - 1 <= at <= start + life * LATEST + 1


def test_a_clock_that_shows_1970_asks_for_nothing():
    found = facts(1_790_000_000 * 10**9, 1_800_000_000 * 10**9)
    assert next_step(found, LATEST, 0) is Step.NOTHING


def test_a_fleet_flashed_on_one_day_does_not_renew_in_one_minute():
    import random  # noqa: PLC0415

    dice = random.Random(1)
    day, life = 86_400 * 10**9, 90
    found = facts(0, life * day)
    days = {renew_at(found, draw(dice.uniform)) // day for _ in range(1000)}
    assert len(days) > 15
