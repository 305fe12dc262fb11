from edge.pacing import FIRST, SMALLEST, STATUS_BURST, STATUS_RATE, Pacing, StatusPace
from edge.wire import limits


def send(pacing, seq, took):
    pacing.sent(seq, 100.0)
    pacing.acked(seq, 100.0 + took)
    return pacing.size


def test_a_fast_link_gets_larger_batches_up_to_the_bound():
    pacing = Pacing()
    sizes = [send(pacing, seq, 0.1) for seq in range(1, 6)]
    assert sizes[0] == 2 * FIRST
    assert sizes[-1] == limits.BATCH_BYTES


def test_a_slow_link_gets_smaller_batches_down_to_the_bound():
    pacing = Pacing()
    sizes = [send(pacing, seq, 20.0) for seq in range(1, 10)]
    assert sizes[0] == FIRST // 2
    assert sizes[-1] == SMALLEST


def test_a_link_in_between_keeps_its_size():
    assert send(Pacing(), 1, 3.0) == FIRST


def test_one_batch_is_measured_at_a_time_and_to_its_end():
    pacing = Pacing()
    pacing.sent(5, 0.0)
    pacing.sent(9, 3.0)
    pacing.acked(4, 4.0)
    assert pacing.size == FIRST
    pacing.acked(9, 20.0)
    assert pacing.size == FIRST // 2


def test_a_mark_from_before_the_first_batch_says_nothing():
    pacing = Pacing()
    pacing.acked(7, 100.0)
    assert pacing.size == FIRST


def statuses_sent(pace, seconds):
    """How many leave from 0 to `seconds`, each as soon as it may."""
    now, count = 0.0, 0
    while now <= seconds:
        pace.sent(now)
        count += 1
        now += pace.wait(now)
    return count


def test_statuses_leave_at_once_until_there_are_too_many():
    assert statuses_sent(StatusPace(0.0), 0.0) == STATUS_BURST


def test_statuses_without_end_leave_at_a_rate():
    assert statuses_sent(StatusPace(0.0), 60.0) == STATUS_BURST + 60 * STATUS_RATE


def test_a_quiet_time_makes_room_for_a_burst_and_no_more():
    pace = StatusPace(0.0)
    statuses_sent(pace, 0.0)
    pace.sent(1e6)
    assert pace.wait(1e6) == 0.0
    for _ in range(STATUS_BURST):
        pace.sent(1e6)
    assert pace.wait(1e6) > 0.0
