"""However a console's or a monitor's bytes are cut, the same things are found in them."""

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from qemu.board.console import Console, Found
from qemu.board.qmp import Answer, Event, Stream

SAID = st.text(alphabet="ab1\r\nü<>", max_size=60)
CUTS = st.lists(st.integers(0, 200), max_size=8)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def found(chunks: list[bytes]) -> tuple[list[Found], str]:
    """What one text and then a line give, asked after every piece, and what is left over."""
    console, taken = Console(limit=1000), list[Found]()
    for chunk in chunks:
        console.feed(chunk)
        while True:
            ask_text = len(taken) % 2 == 0
            one = console.take_text("a<") if ask_text else console.take_line(re.compile("b(1+)"))
            if one is None:
                break
            taken.append(one)
    return taken, console.peek()


@given(SAID, CUTS)
def test_a_console_finds_the_same_in_any_pieces(said: str, cuts: list[int]) -> None:
    data = said.encode()
    assert found(pieces(data, cuts)) == found([data])


@given(st.binary(max_size=80), CUTS, st.integers(1, 30))
def test_a_console_keeps_the_newest_and_counts_the_rest(
    data: bytes, cuts: list[int], limit: int
) -> None:
    console = Console(limit)
    for piece in pieces(data, cuts):
        console.feed(piece)
    plain = data.replace(b"\r", b"")
    assert console.peek() == plain[-limit:].decode(errors="replace")
    assert console.lost == max(0, len(plain) - limit)


@given(CUTS)
def test_a_monitor_reads_the_same_messages_in_any_pieces(cuts: list[int]) -> None:
    data = (
        b'{"QMP": {"version": {}}}\r\n{"return": {}}\r\n'
        b'{"event": "RESET", "data": {"guest": true}, "timestamp": {}}\r\n'
        b'{"error": {"class": "GenericError", "desc": "no such thing"}}\r\n{"return": 36500}\r\n'
    )
    stream = Stream()
    assert [one for piece in pieces(data, cuts) for one in stream.feed(piece)] == [
        Answer({}),
        Event("RESET", {"guest": True}),
        Answer(None, "no such thing"),
        Answer(36500),
    ]
