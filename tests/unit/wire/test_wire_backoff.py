from edge.wire.backoff import Backoff


def highest(low, high):
    assert low == 0.0
    return high


def test_the_bound_doubles_up_to_the_cap():
    backoff = Backoff(highest, base=1, cap=10)
    assert [backoff.next() for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_success_starts_again_from_the_first_bound():
    backoff = Backoff(highest)
    backoff.next()
    backoff.next()
    backoff.reset()
    assert backoff.next() == 1.0


def test_when_haste_cannot_help_the_longest_bound_is_taken_at_once():
    backoff = Backoff(highest, cap=300)
    assert backoff.slowest() == 300


def test_a_fleet_spreads_over_the_whole_bound():
    delays = [
        Backoff(lambda low, high, n=n: low + (high - low) * n / 99).next() for n in range(100)
    ]
    assert (min(delays), max(delays)) == (0.0, 1.0)
