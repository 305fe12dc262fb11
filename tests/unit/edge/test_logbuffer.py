"""Log lines in RAM."""

from hypothesis import given
from hypothesis import strategies as st

from edge.logbuffer import LogBuffer
from edge.wire.limits import LOG_LINE_LIMIT


def fill(buffer: LogBuffer, count: int, app: str = "a") -> None:
    for number in range(count):
        buffer.add(app, 6, f"line {number}", number)


def test_lines_are_read_until_they_are_acknowledged():
    buffer = LogBuffer()
    fill(buffer, 3)
    lines, dropped = buffer.read(2)
    assert ([line.text for line in lines], dropped) == (["line 0", "line 1"], 0)
    assert buffer.read(2)[0] == lines
    buffer.ack(lines[-1].seq)
    assert [line.text for line in buffer.read(2)[0]] == ["line 2"]


def test_a_full_buffer_drops_the_oldest_and_counts_it():
    buffer = LogBuffer(lines_limit=10)
    fill(buffer, 13)
    lines, dropped = buffer.read()
    assert (lines[0].text, len(lines), dropped) == ("line 3", 10, 3)
    buffer.ack(lines[-1].seq, dropped)
    fill(buffer, 10)
    assert buffer.read()[1] == 0


def test_acknowledged_lines_stay_for_a_person_on_the_board():
    buffer = LogBuffer()
    fill(buffer, 3)
    buffer.ack(3)
    fill(buffer, 1, app="b")
    assert [line.text for line in buffer.tail("a", 2)] == ["line 1", "line 2"]
    assert len(buffer.tail(None, 100)) == 4
    assert [line.app for line in buffer.tail(None, 100, after=3)] == ["b"]


def test_a_line_longer_than_the_wire_allows_is_cut():
    buffer = LogBuffer()
    buffer.add("a", 6, "x" * (LOG_LINE_LIMIT + 1), 0)
    assert len(buffer.read()[0][0].text) == LOG_LINE_LIMIT


def test_listeners_hear_of_each_line_until_they_unsubscribe():
    buffer = LogBuffer()
    heard: list[int] = []
    unsubscribe = buffer.subscribe(lambda: heard.append(1))
    fill(buffer, 2)
    unsubscribe()
    fill(buffer, 2)
    assert len(heard) == 2


@given(st.lists(st.integers(0, 600), max_size=60), st.integers(1, 20), st.integers(1, 2000))
def test_the_bounds_hold_and_every_line_is_kept_or_counted(sizes, lines_limit, bytes_limit):
    buffer = LogBuffer(lines_limit, bytes_limit)
    for size in sizes:
        buffer.add("a", 6, "x" * size, 0)
    lines, dropped = buffer.read(1000)
    assert len(lines) <= lines_limit
    assert sum(len(line.text) for line in lines) <= bytes_limit
    assert len(lines) + dropped == len(sizes)
