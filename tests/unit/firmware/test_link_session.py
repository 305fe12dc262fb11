"""Two ends of a link over a line that loses, doubles, cuts, damages and delays; time is a number."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.link import session, smp
from firmware.link.errors import BusyError
from firmware.link.session import Session

STEP = 50


class Line:
    """Both directions of a serial line, and the clock."""

    def __init__(self, seed: int = 0, faults: float = 0.0) -> None:
        self.random = random.Random(seed)
        self.faults = faults
        self.now = 0
        self.cut = False
        self.ends = [Session(1 + side, {"id": f"end-{side}"}, 0) for side in (0, 1)]

    def turn(self) -> None:
        """What both say arrives, more or less, and time goes on."""
        for end, other in (self.ends, self.ends[::-1]):
            data = end.outgoing()
            if not self.cut:
                for chunk in self._worn(data):
                    other.receive(chunk, self.now)
        self.now += STEP
        for end in self.ends:
            end.tick(self.now)

    def until(self, condition, turns: int = 2000) -> None:
        for _ in range(turns):
            if condition():
                return
            self.turn()
        raise AssertionError("it never came to that")

    def connect(self) -> None:
        self.until(lambda: all(end.up for end in self.ends))

    def _worn(self, data: bytes):
        while data:
            size = self.random.randint(1, 40)
            chunk, data = bytearray(data[:size]), data[size:]
            luck = self.random.random()
            if luck < self.faults / 3:
                continue
            if luck < self.faults * 2 / 3:
                chunk[self.random.randrange(len(chunk))] ^= self.random.randint(1, 255)
            elif luck < self.faults:
                chunk = chunk * 2
            yield bytes(chunk)


def taken(end: Session, kind: str) -> list[tuple]:
    """Its events of a kind; the others are dropped."""
    found = [event for event in end.events if event[0] == kind]
    end.events.clear()
    return found


def test_each_end_learns_who_the_other_is():
    line = Line()
    line.connect()
    assert taken(line.ends[0], session.UP) == [(session.UP, {"id": "end-1"})]
    assert taken(line.ends[1], session.UP) == [(session.UP, {"id": "end-0"})]


@settings(max_examples=60)
@given(st.integers(0, 1 << 32), st.sampled_from([0.0, 0.05, 0.2]))
def test_reports_arrive_once_and_in_order_over_any_line(seed, faults):
    line = Line(seed, faults)
    device, node = line.ends
    sent, got = 0, []

    def more() -> bool:
        nonlocal sent
        while sent < 100:
            try:
                device.report(sent, line.now)
            except BusyError:
                break
            sent += 1
        got.extend(event[1] for event in taken(node, session.REPORTED))
        return sent == 100 and not device._peer.unacked

    line.until(more, turns=20_000)
    assert got == list(range(100))


@settings(max_examples=60)
@given(st.integers(0, 1 << 32), st.sampled_from([0.0, 0.05, 0.15]))
def test_a_request_is_done_once_at_most_whatever_is_repeated(seed, faults):
    line = Line(seed, faults)
    node, device = line.ends
    done, answers, asked = [], [], 0

    def turn() -> bool:
        nonlocal asked
        for event in taken(device, session.ASKED):
            done.append(event[4]["n"])
            device.answer({"n": event[4]["n"]})
        answers.extend(taken(node, session.ANSWERED))
        try:
            node.ask(smp.WRITE, smp.GROUP_OS, smp.OS_ECHO, {"n": asked}, line.now)
            asked += 1
        except BusyError:
            pass
        return asked == 20

    line.until(turn, turns=20_000)
    assert done == sorted(set(done)), "a deed was done twice"
    assert {event[1]["n"] for event in answers} <= set(done)


def test_a_full_window_refuses_and_opens_again():
    line = Line()
    line.connect()
    device, _ = line.ends
    for value in range(session.WINDOW):
        device.report(value, line.now)
    with pytest.raises(BusyError):
        device.report("more", line.now)
    line.until(lambda: not device._peer.unacked)
    device.report("more", line.now)


def test_an_owner_that_does_not_look_bounds_what_waits_and_loses_nothing():
    line = Line()
    line.connect()
    device, node = line.ends
    node.events.clear()
    sent = 0
    for _ in range(400):
        try:
            device.report(sent, line.now)
            sent += 1
        except BusyError:
            line.turn()
    assert len(node.events) == session.EVENTS_LIMIT
    got = [event[1] for event in taken(node, session.REPORTED)]
    line.until(lambda: not device._peer.unacked)
    got += [event[1] for event in taken(node, session.REPORTED)]
    assert got == list(range(sent))


def test_an_owner_that_does_not_write_bounds_what_waits_and_loses_nothing():
    line = Line()
    line.connect()
    device, node = line.ends
    node.events.clear()
    for value in range(session.WINDOW):
        device.report([value, "x" * 1000], line.now)
    for _ in range(100):
        line.now += session.RESEND
        device.receive(node.outgoing(), line.now)
        node.tick(line.now)
        device.tick(line.now)
    data = device.outgoing()
    assert session.OUT_LIMIT // 2 < len(data) <= session.OUT_LIMIT
    line.until(lambda: device.up and not device._peer.unacked)
    got = [event[1][0] for event in taken(node, session.REPORTED)]
    assert got == list(range(session.WINDOW))


def test_a_peer_that_starts_for_ever_bounds_what_waits():
    node = Session(1, {}, 0)
    for nonce in range(2, 400):
        peer = Session(nonce, {}, 0)
        for _ in range(3):
            peer.tick(nonce * 10_000)
            node.receive(peer.outgoing(), 0)
            peer.receive(node.outgoing(), 0)
    assert len(node.events) <= session.EVENTS_LIMIT + 1


def test_silence_is_noticed_and_nothing_is_lost_when_the_link_comes_back():
    line = Line()
    line.connect()
    device, node = line.ends
    line.cut = True
    device.report("said into the void", line.now)
    line.until(lambda: not any(end.up for end in line.ends))
    assert all(taken(end, session.DOWN) == [(session.DOWN,)] for end in line.ends)
    line.cut = False
    line.connect()
    line.until(lambda: not device._peer.unacked)
    assert taken(node, session.REPORTED) == [(session.REPORTED, "said into the void")]


def test_a_device_that_started_anew_is_met_anew_and_its_old_frames_are_dropped():
    line = Line()
    line.connect()
    node, device = line.ends
    device.report("old", line.now)
    stale = device.outgoing()
    line.ends[1] = Session(99, {"id": "end-1"}, line.now)
    node.events.clear()
    line.until(lambda: node.up and any(event[0] == session.UP for event in node.events))
    assert node.events[0] == (session.DOWN,)
    node.receive(stale, line.now)
    assert not taken(node, session.REPORTED)


def test_a_request_without_an_answer_ends():
    line = Line()
    line.connect()
    node, device = line.ends
    node.ask(smp.READ, smp.GROUP_IMAGE, smp.IMAGE_STATE, {}, line.now)
    node.events.clear()
    line.until(lambda: bool(taken(node, session.FAILED)))
    assert len(taken(device, session.ASKED)) == 1


def test_an_end_that_hears_itself_does_not_come_up():
    """A line whose ends were joined by mistake."""
    end = Session(7, {}, 0)
    for now in range(0, 5000, 100):
        end.tick(now)
        end.receive(end.outgoing(), now)
    assert not end.up


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_no_frame_of_anybody_breaks_an_end(contents):
    from firmware.link.frame import encode  # noqa: PLC0415

    line = Line()
    line.connect()
    end = line.ends[0]
    tag = end._tag
    for content in contents:
        end.receive(encode(content), line.now)
        end.receive(encode(content[:1] + tag + content[1:]), line.now)
    end.tick(line.now)
    assert len(end.events) <= session.EVENTS_LIMIT + 1
