"""Many starts of a board, most of them without knowing the time: what its readings say in the end."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.timekeeper import RELEASED_NS, Timekeeper
from edge.wire.messages import Entry, EntryKind
from hal.clock import Correction

SECOND = 10**9
BEGIN = RELEASED_NS + 200 * 86400 * SECOND
"""When the board is first switched on, in truth."""


class Board:
    """Its truth, its clock, its disk and its readings; virtual time."""

    def __init__(self) -> None:
        self.truth = BEGIN
        self.facts: dict[str, bytes] = {}
        self.entries: list[Entry] = []
        self.true: list[int] = []
        self.starts: list[int] = []
        self.boots = 0
        self.offset = 0
        self.correction = Correction()
        self.boot(knows=False)

    def get(self, name: str) -> bytes | None:
        return self.facts.get(name)

    def set(self, name: str, value: bytes) -> None:
        self.facts[name] = value

    def system_ns(self) -> int:
        return self.truth - self.offset

    def monotonic_ns(self) -> int:
        return self.truth - self.booted

    def correct(self, correction: Correction) -> None:
        self.correction = correction

    def wall_ns(self) -> int:
        now = self.system_ns()
        return now if now >= self.correction.floor_ns else now + self.correction.shift_ns

    def boot(self, *, knows: bool) -> None:
        self.boots += 1
        self.booted = self.truth
        self.offset = 0 if knows else self.truth
        newest = max((each.time_ns for each in self.entries[-1:]), default=0)
        self.keeper = Timekeeper(self, len(self.entries), newest, self)

    def measure(self) -> None:
        self.truth += 1
        seq = len(self.entries) + 1
        self.entries.append(
            Entry(
                seq=seq,
                kind=EntryKind.SENML,
                app="a",
                stream="s",
                time_ns=self.wall_ns(),
                payload=b"\x80",
            )
        )
        self.true.append(self.truth)
        self.starts.append(self.boots)

    def sent(self) -> list[int]:
        return [each.time_ns for each in self.keeper.corrected(self.entries)]


ACTS = st.one_of(
    st.tuples(st.just("measure"), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 7200)),
    st.tuples(st.just("keep"), st.just(0)),
    st.tuples(st.just("off"), st.integers(0, 90 * 86400)),
)
LEARNS = st.sampled_from(["cloud", "clock set", "starts with a clock"])


def live(board: Board, acts: list[tuple[str, int]]) -> None:
    for act, seconds in acts:
        if act == "measure":
            board.measure()
        elif act == "keep":
            board.keeper.keep()
        else:
            board.truth += seconds * SECOND
            if act == "off":
                board.boot(knows=False)


def learn(board: Board, how: str) -> None:
    if how == "cloud":
        board.keeper.heard(board.truth)
    elif how == "clock set":
        board.offset = 0
    else:
        board.truth += SECOND
        board.boot(knows=True)


@given(st.lists(ACTS, max_size=25), LEARNS)
@settings(deadline=None)
def test_order_and_distances_stay_and_the_truth_is_between_the_bounds(acts, how):
    board = Board()
    live(board, acts)
    here = board.boots
    learn(board, how)
    sent = board.sent()
    for said, truth, raw, start in zip(sent, board.true, board.entries, board.starts, strict=True):
        assert raw.time_ns <= truth <= said, "as early, and as late, as it can have been"
        if start == here and how != "starts with a clock":
            assert said == truth
    for one, two in pairwise(range(len(sent))):
        assert sent[one] < sent[two]
        if board.starts[one] == board.starts[two]:
            assert sent[two] - sent[one] == board.true[two] - board.true[one]


@given(st.lists(ACTS, max_size=12), LEARNS, st.lists(ACTS, max_size=12))
@settings(deadline=None)
def test_what_was_learnt_outlives_a_power_cut_and_leaves_later_readings_alone(acts, how, later):
    board = Board()
    live(board, acts)
    learn(board, how)
    board.measure()
    first = board.sent()
    assert first[-1] == board.true[-1]
    board.keeper.keep()
    live(board, [("off", 5), *later])
    board.keeper.heard(board.truth)
    assert board.sent()[: len(first)] == first
