import cbor2
import pytest

from edge.wire import limits
from edge.wire.codec import decode_down, decode_up, encode
from edge.wire.errors import LocalError, NotOpenError
from edge.wire.events import (
    Closed,
    DesiredAcked,
    DesiredResetReceived,
    DesiredStep,
    HelloReceived,
    LogsAcked,
    LogsReceived,
    StatusAcked,
    StatusReceived,
    TelemetryAcked,
    TelemetryReceived,
    Welcomed,
)
from edge.wire.messages import (
    Close,
    CloseCode,
    Desired,
    DesiredAck,
    DesiredReset,
    Logs,
    LogsAck,
    Ping,
    Pong,
    Status,
    StatusAck,
    Telemetry,
    TelemetryAck,
    Welcome,
)
from edge.wire.session import CloudSession, NodeSession
from edge.wire.state import TABLE, State, Step
from tests.support.wire import EPOCH, Pair, entry, hello, item, line, status


def violation(events):
    """The reason of the Close that a broken rule caused; the only event."""
    [closed] = events
    assert isinstance(closed, Closed)
    assert (closed.code, closed.by_peer, closed.retry) == (CloseCode.PROTOCOL, False, False)
    return closed.reason


# --- opening -----------------------------------------------------------------------------------


def test_hello_and_welcome_open_both_ends():
    pair = Pair(hello(last_seq=9, revision=4))
    assert pair.cloud_events == [HelloReceived(hello(last_seq=9, revision=4))]
    pair.cloud.welcome(acked_seq=6, time_ns=123, window=1 << 18)
    pair.deliver()
    assert pair.node_events == [Welcomed(6, 1 << 18, False, 123)]
    assert (pair.node.state, pair.cloud.state) == (State.OPEN, State.OPEN)


def test_a_node_is_refused_with_a_reason():
    pair = Pair()
    pair.cloud.refuse(CloseCode.REFUSED, "unknown node")
    pair.deliver()
    assert pair.node_events == [Closed(CloseCode.REFUSED, "unknown node", by_peer=True)]
    assert not pair.node_events[0].retry
    assert pair.cloud_events[1:] == [Closed(CloseCode.REFUSED, "unknown node", by_peer=False)]


@pytest.mark.parametrize("versions", [(2, 3), (0, 0)])
def test_no_common_version_ends_the_session(versions):
    pair = Pair(hello(versions=versions))
    [closed] = pair.node_events
    assert (closed.code, closed.by_peer, closed.retry) == (CloseCode.VERSION, True, False)
    assert f"{versions[0]}..{versions[1]}" in closed.reason


def test_a_newer_node_is_answered_in_the_version_both_speak():
    pair = Pair.open(node_hello=hello(versions=(1, 9)))
    assert pair.node.state is State.OPEN


def test_a_welcome_in_an_unknown_version_ends_the_session():
    pair = Pair()
    [closed] = pair.to_node(encode(Welcome(version=2, time_ns=1, acked_seq=0)))
    assert closed.code is CloseCode.VERSION


def test_a_silent_cloud_is_given_up_after_the_handshake_timeout():
    node = NodeSession()
    assert node.next_deadline() is None
    node.open(hello(), 100.0)
    assert node.next_deadline() == 100.0 + limits.HANDSHAKE_TIMEOUT
    assert node.handle_timer(109.9) == []
    [closed] = node.handle_timer(110.0)
    assert (closed.code, closed.retry) == (CloseCode.TIMEOUT, True)
    assert node.next_deadline() is None


def test_a_silent_node_is_given_up_after_the_handshake_timeout():
    cloud = CloudSession(5.0)
    [closed] = cloud.handle_timer(5.0 + limits.HANDSHAKE_TIMEOUT)
    assert closed.code is CloseCode.TIMEOUT


def test_a_session_opens_once():
    pair = Pair()
    with pytest.raises(LocalError, match="opened before"):
        pair.node.open(hello(), 0.0)
    assert "came twice" in violation(pair.to_cloud(encode(hello()))[1:])


def test_a_welcome_nobody_asked_for_ends_the_session():
    welcome = encode(Welcome(version=1, time_ns=1, acked_seq=0))
    assert "without a Hello" in violation(NodeSession().receive(welcome, 0.0))
    assert "without a Hello" in violation(Pair.open().to_node(welcome))


def test_nothing_else_may_come_before_the_greeting():
    assert "before Welcome" in violation(Pair().to_node(encode(StatusAck(id=1))))
    cloud = CloudSession(0.0)
    assert "before Hello" in violation(cloud.receive(encode(DesiredAck(revision=1)), 0.0))


def test_the_cloud_welcomes_only_who_said_hello_and_only_once():
    with pytest.raises(NotOpenError, match="no Hello"):
        CloudSession(0.0).welcome(acked_seq=0, time_ns=1)
    with pytest.raises(NotOpenError, match="no Hello"):
        Pair.open().cloud.welcome(acked_seq=0, time_ns=1)


def test_sending_before_the_session_is_open_is_our_own_fault():
    pair = Pair()
    assert pair.node.telemetry_room() == 0
    idle = (pair.node.status_idle, pair.node.logs_idle, pair.cloud.desired_idle)
    assert idle == (False, False, False)
    for call in (
        lambda: pair.node.send_telemetry([entry(1)]),
        lambda: pair.node.send_status([], whole=True),
        lambda: pair.node.send_logs([line(1)]),
        lambda: pair.node.ack_desired(1),
        lambda: pair.node.start_epoch(1),
        lambda: pair.cloud.send_desired(1, None, []),
        lambda: pair.cloud.ack_telemetry(EPOCH, 0),
        lambda: pair.cloud.ack_status(1),
        lambda: pair.cloud.ack_logs(1),
    ):
        with pytest.raises(NotOpenError, match="opening"):
            call()


# --- telemetry and its window ------------------------------------------------------------------


def test_telemetry_arrives_and_its_acknowledgement_comes_back():
    pair = Pair.open(acked_seq=2, node_hello=hello(last_seq=5))
    pair.node.send_telemetry([entry(3), entry(7)])
    pair.deliver()
    assert pair.cloud_events == [TelemetryReceived(EPOCH, (entry(3), entry(7)))]
    pair.cloud.ack_telemetry(EPOCH, 7)
    pair.deliver()
    assert pair.node_events == [TelemetryAcked(EPOCH, 7)]


def test_the_window_fills_and_an_acknowledgement_opens_it():
    pair = Pair.open(window=limits.WINDOW_MIN)
    pair.node.send_telemetry([entry(1, bytes(limits.PACK_LIMIT))])
    assert pair.node.telemetry_room() == 0
    with pytest.raises(LocalError, match="the window has room for 0"):
        pair.node.send_telemetry([entry(2)])
    pair.deliver()
    pair.cloud.ack_telemetry(EPOCH, 1)
    pair.deliver()
    assert pair.node.telemetry_room() == limits.WINDOW_MIN


def test_a_batch_stays_in_the_window_until_its_last_entry_is_acknowledged():
    pair = Pair.open(window=1 << 17)
    pair.node.send_telemetry([entry(1), entry(2)])
    room = pair.node.telemetry_room()
    pair.deliver()
    pair.cloud.ack_telemetry(EPOCH, 1)
    pair.deliver()
    assert pair.node.telemetry_room() == room


def test_a_batch_is_bounded_even_in_a_large_window():
    pair = Pair.open(window=8 << 20)
    assert pair.node.telemetry_room() == limits.BATCH_BYTES
    with pytest.raises(LocalError, match="a batch has at most"):
        pair.node.send_telemetry([entry(n, bytes(60_000)) for n in range(1, 6)])
    with pytest.raises(LocalError, match="a batch has 1 to"):
        pair.node.send_telemetry([])
    with pytest.raises(LocalError, match="exceed a pack"):
        pair.node.send_telemetry([entry(1, bytes(limits.PACK_LIMIT + 1))])


def test_sequence_numbers_rise_from_what_the_cloud_holds():
    pair = Pair.open(acked_seq=4, node_hello=hello(last_seq=9))
    for entries in ([entry(4)], [entry(6), entry(6)]):
        with pytest.raises(LocalError, match="does not follow"):
            pair.node.send_telemetry(entries)
    frame = encode(Telemetry(epoch=EPOCH, entries=[entry(4)]))
    assert "entries[0].seq: 4 does not follow 4" in violation(pair.to_cloud(frame))


def test_a_node_over_its_window_is_cut_off():
    pair = Pair.open(window=limits.WINDOW_MIN)
    entries = [entry(1, bytes(limits.PACK_LIMIT)), entry(2)]
    frame = encode(Telemetry(epoch=EPOCH, entries=entries))
    assert "the window has room" in violation(pair.to_cloud(frame))


def test_another_epoch_than_agreed_on_is_cut_off():
    frame = encode(Telemetry(epoch=EPOCH + 1, entries=[entry(1)]))
    assert "not the one agreed on" in violation(Pair.open().to_cloud(frame))


def test_a_window_of_nothing_pauses_and_the_same_acknowledgement_resumes():
    pair = Pair.open()
    pair.node.send_telemetry([entry(1)])
    pair.deliver()
    pair.cloud.ack_telemetry(EPOCH, 1, window=5)  # too small for a pack: a pause
    pair.deliver()
    assert pair.node.telemetry_room() == 0
    pair.cloud.ack_telemetry(EPOCH, 1, window=1 << 18)
    pair.deliver()
    assert pair.node.telemetry_room() == 1 << 18


def test_what_left_before_a_smaller_window_arrived_is_forgiven():
    pair = Pair.open(window=1 << 18)
    pair.node.send_telemetry([entry(1)])
    pair.deliver()
    pair.cloud.ack_telemetry(EPOCH, 1, window=0)
    pair.node.send_telemetry([entry(2, bytes(1000))])
    pair.deliver()
    assert pair.cloud_events[-1] == TelemetryReceived(EPOCH, (entry(2, bytes(1000)),))
    assert pair.node.telemetry_room() == 0


@pytest.mark.parametrize(
    ("ack", "words"),
    [
        (TelemetryAck(epoch=EPOCH, seq=3), "not in 1..2"),
        (TelemetryAck(epoch=EPOCH, seq=0), "not in 1..2"),
        (TelemetryAck(epoch=EPOCH + 1, seq=2), "epoch 8 is not 7"),
        (TelemetryAck(epoch=EPOCH, seq=2, window=7), "neither 0 nor at least"),
    ],
)
def test_an_acknowledgement_that_cannot_be_ends_the_session(ack, words):
    pair = Pair.open(acked_seq=1, node_hello=hello(last_seq=2))
    pair.node.send_telemetry([entry(2)])
    assert words in violation(pair.to_node(encode(ack)))


def test_the_cloud_cannot_acknowledge_what_it_did_not_receive():
    pair = Pair.open()
    with pytest.raises(LocalError, match="seq: 1 is not in"):
        pair.cloud.ack_telemetry(EPOCH, 1)
    with pytest.raises(LocalError, match="epoch"):
        pair.cloud.ack_telemetry(EPOCH + 1, 0)


@pytest.mark.parametrize(
    ("welcome", "words"),
    [
        (Welcome(version=1, time_ns=1, acked_seq=5), "never assigned"),
        (Welcome(version=1, time_ns=1, acked_seq=0, window=5), "neither 0 nor at least"),
    ],
)
def test_a_welcome_that_cannot_be_ends_the_session(welcome, words):
    assert words in violation(Pair(hello(last_seq=4)).to_node(encode(welcome)))


# --- epochs ------------------------------------------------------------------------------------


def test_a_store_that_went_back_in_time_starts_another_epoch():
    pair = Pair(hello(last_seq=3))
    pair.cloud.welcome(acked_seq=8, time_ns=1)
    pair.deliver()
    assert pair.node_events[0].new_epoch
    assert pair.node.telemetry_room() == 0
    with pytest.raises(NotOpenError, match="start_epoch"):
        pair.node.send_telemetry([entry(1)])
    with pytest.raises(LocalError, match="to be replaced"):
        pair.node.start_epoch(EPOCH)
    pair.node.start_epoch(EPOCH + 1)
    pair.node.send_telemetry([entry(1)])
    pair.deliver()
    assert pair.cloud_events[-1] == TelemetryReceived(EPOCH + 1, (entry(1),))
    with pytest.raises(LocalError, match="asked for no new epoch"):
        pair.node.start_epoch(EPOCH + 2)


def test_the_old_epoch_is_not_accepted_once_another_was_asked_for():
    pair = Pair.open(acked_seq=8, node_hello=hello(last_seq=3))
    frame = encode(Telemetry(epoch=EPOCH, entries=[entry(9)]))
    assert "not the one agreed on" in violation(pair.to_cloud(frame))


# --- the desired set ---------------------------------------------------------------------------


def test_a_step_arrives_and_is_acknowledged():
    pair = Pair.open()
    pair.cloud.send_desired(2, 1, [item("a")], [("app", "b")])
    assert not pair.cloud.desired_idle
    pair.deliver()
    assert pair.node_events == [DesiredStep(2, 1, (item("a"),), (("app", "b"),))]
    pair.node.ack_desired(2)
    pair.deliver()
    assert pair.cloud_events == [DesiredAcked(2)]
    assert pair.cloud.desired_idle


def test_an_empty_whole_set_is_a_step_too():
    pair = Pair.open()
    pair.cloud.send_desired(1, None, [])
    pair.deliver()
    assert pair.node_events == [DesiredStep(1, None, (), ())]


def test_a_large_step_travels_in_parts_and_arrives_whole():
    pair = Pair.open()
    put = [item(f"a{n}", size=200_000) for n in range(9)]
    pair.cloud.send_desired(1, None, put, [("app", "z")])
    frames = pair.cloud.outgoing()
    assert len(frames) == 5
    for frame in frames[:-1]:
        assert pair.to_node(frame) == []
    assert pair.to_node(frames[-1]) == [DesiredStep(1, None, tuple(put), (("app", "z"),))]


def test_the_largest_step_allowed_fits_its_frames():
    pair = Pair.open()
    size = limits.DESIRED_BYTES // limits.DESIRED_LIMIT
    names = [f"{n:063d}" for n in range(limits.DESIRED_LIMIT)]
    pair.cloud.send_desired(
        1, None, [item(n, size) for n in names], [("k" * 63, n) for n in names]
    )
    pair.deliver()
    assert len(pair.node_events[0].put) == limits.DESIRED_LIMIT


def test_a_step_over_a_bound_is_not_sent():
    pair = Pair.open()
    for put, words in (
        ([item(f"a{n}") for n in range(limits.DESIRED_LIMIT + 1)], "1025 objects"),
        ([item("a", limits.SPEC_LIMIT + 1)], "app a: 262145 bytes"),
        ([item(f"a{n}", limits.SPEC_LIMIT) for n in range(17)], "exceed 4194304"),
    ):
        with pytest.raises(LocalError, match=words):
            pair.cloud.send_desired(1, None, put)
    assert pair.cloud.desired_idle
    assert pair.cloud.outgoing() == []


def test_one_step_is_in_flight_at_a_time():
    pair = Pair.open()
    pair.cloud.send_desired(1, None, [])
    with pytest.raises(LocalError, match="the step to 1 is still in flight"):
        pair.cloud.send_desired(2, 1, [])
    pair.deliver()
    pair.node_events.clear()
    frame = encode(Desired(revision=2, base=1))
    assert "not answered yet" in violation(pair.to_node(frame))


def test_a_node_that_lost_the_base_says_what_it_holds():
    pair = Pair.open()
    pair.cloud.send_desired(9, 8, [])
    pair.deliver()
    pair.node.reset_desired(5, "holds 5")
    pair.deliver()
    assert pair.cloud_events == [DesiredResetReceived(5, "holds 5")]
    assert pair.cloud.desired_idle


def test_only_the_step_at_hand_can_be_answered():
    pair = Pair.open()
    for answer in (lambda: pair.node.ack_desired(1), lambda: pair.node.reset_desired(1, "")):
        with pytest.raises(LocalError, match="waits for an answer"):
            answer()
    assert "no step to 1" in violation(pair.to_cloud(encode(DesiredAck(revision=1))))
    frame = encode(DesiredReset(revision=1))
    assert "no step is in flight" in violation(Pair.open().to_cloud(frame))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            [
                Desired(revision=1, base=None, put=[item("a")], more=True),
                Desired(revision=2, base=None),
            ],
            "2 amid the step to 1",
        ),
        ([Desired(revision=1, base=None, more=True)], "a part of nothing"),
        (
            [
                Desired(
                    revision=1, base=None, put=[item("a", 250_000), item("b", 250_000)], more=True
                )
                for _ in range(9)
            ],
            "desired.put: 4500000 bytes exceed",
        ),
    ],
)
def test_parts_that_do_not_make_a_step_end_the_session(parts, words):
    pair = Pair.open()
    for part in parts:
        pair.to_node(encode(part))
    assert words in violation(pair.node_events)


# --- status and logs ---------------------------------------------------------------------------


def test_one_status_is_in_flight_at_a_time():
    pair = Pair.open()
    sent = pair.node.send_status([status("a")], whole=True)
    assert not pair.node.status_idle
    with pytest.raises(LocalError, match="still in flight"):
        pair.node.send_status([], whole=False)
    pair.deliver()
    assert pair.cloud_events == [StatusReceived(sent, (status("a"),), True)]
    assert "not answered yet" in violation(pair.to_cloud(encode(Status(id=9, items=[])))[1:])


def test_an_acknowledged_status_makes_room_for_the_next():
    pair = Pair.open()
    sent = pair.node.send_status([], whole=True)
    pair.deliver()
    pair.cloud.ack_status(sent)
    pair.deliver()
    assert pair.node_events == [StatusAcked(sent)]
    assert pair.node.status_idle
    assert pair.node.send_status([], whole=False) != sent


def test_statuses_are_bounded_and_answered_by_their_id():
    pair = Pair.open()
    with pytest.raises(LocalError, match="items: 1025"):
        pair.node.send_status([status("a")] * 1025, whole=True)
    with pytest.raises(LocalError, match="no status 3"):
        pair.cloud.ack_status(3)
    assert "id 3 is not in flight" in violation(pair.to_node(encode(StatusAck(id=3))))


def test_log_lines_travel_one_batch_at_a_time():
    pair = Pair.open()
    pair.node.send_logs([line(4), line(9)], dropped=3)
    assert not pair.node.logs_idle
    with pytest.raises(LocalError, match="up to 9 are still in flight"):
        pair.node.send_logs([line(10)])
    pair.deliver()
    assert pair.cloud_events == [LogsReceived((line(4), line(9)), 3)]
    pair.cloud.ack_logs(9)
    pair.deliver()
    assert pair.node_events == [LogsAcked(9)]
    assert pair.node.logs_idle


def test_log_lines_out_of_order_or_unasked_answers_end_the_session():
    backwards = [line(2), line(2)]
    pair = Pair.open()
    for lines, words in (
        (backwards, "does not rise"),
        ([], "1 to 256"),
        ([line(n) for n in range(257)], "1 to 256"),
    ):
        with pytest.raises(LocalError, match=words):
            pair.node.send_logs(lines)
    with pytest.raises(LocalError, match="no log lines"):
        pair.cloud.ack_logs(1)
    assert "does not rise" in violation(pair.to_cloud(encode(Logs(lines=backwards))))
    assert "not in flight" in violation(pair.to_node(encode(LogsAck(seq=1))))
    pair = Pair.open()
    pair.to_cloud(encode(Logs(lines=[line(1)])))
    assert "not answered yet" in violation(pair.to_cloud(encode(Logs(lines=[line(2)])))[1:])


# --- silence -----------------------------------------------------------------------------------


def test_silence_makes_a_ping_and_the_pong_ends_it():
    pair = Pair.open(heartbeat=10.0)
    assert pair.node.next_deadline() == 10.0
    assert pair.node.handle_timer(9.9) == []
    assert pair.node.outgoing() == []
    pair.now = 10.0
    assert pair.node.handle_timer(10.0) == []
    [ping] = pair.node.outgoing()
    assert isinstance(decode_up(ping), Ping)
    pair.to_cloud(ping)
    pair.deliver()
    assert pair.node.next_deadline() == 20.0
    assert pair.cloud.next_deadline() == 20.0


def test_one_who_only_sends_pings_to_hear_the_other():
    pair = Pair.open(heartbeat=10.0)
    pair.now = 8.0
    pair.node.heard(8.0)
    assert pair.node.next_deadline() == 10.0  # it heard, but has not spoken


def test_a_ping_without_answer_is_repeated_once_a_heartbeat():
    pair = Pair.open(heartbeat=10.0)
    for now, pings in ((10.0, 1), (15.0, 0), (20.0, 1)):
        pair.node.handle_timer(now)
        assert len(pair.node.outgoing()) == pings


def test_silence_past_the_deadline_loses_the_peer():
    pair = Pair.open(heartbeat=10.0)
    assert pair.node.handle_timer(29.9) == []
    [closed] = pair.node.handle_timer(30.0)
    assert (closed.code, closed.retry) == (CloseCode.TIMEOUT, True)
    assert pair.node.state is State.CLOSED
    assert [decode_up(frame) for frame in pair.node.outgoing()] == [
        Close(code=CloseCode.TIMEOUT, reason=closed.reason)
    ]


def test_bytes_of_an_unfinished_frame_keep_the_peer_alive():
    pair = Pair.open(heartbeat=10.0)
    pair.node.heard(25.0)
    assert pair.node.handle_timer(31.0) == []


def test_a_clock_that_steps_back_changes_nothing():
    pair = Pair.open(heartbeat=10.0)
    pair.node.heard(50.0)
    pair.node.outgoing()
    assert pair.node.handle_timer(1.0) == []
    assert pair.node.state is State.OPEN


def test_of_many_pings_only_the_last_is_answered():
    pair = Pair.open()
    for n in range(5):
        pair.cloud.receive(encode(Ping(id=n)), 0.0)
    assert [decode_down(frame) for frame in pair.cloud.outgoing()] == [Pong(id=4)]


def test_a_pong_nobody_asked_for_is_harmless():
    assert Pair.open().to_cloud(encode(Pong(id=77))) == []


# --- closing -----------------------------------------------------------------------------------


def test_a_close_is_answered_and_both_ends_learn_of_it():
    pair = Pair.open()
    pair.cloud.close(CloseCode.REPLACED, "another connection")
    pair.cloud.close(CloseCode.NORMAL, "twice")
    assert pair.cloud.state is State.CLOSING
    pair.deliver()
    assert pair.node_events == [Closed(CloseCode.REPLACED, "another connection", by_peer=True)]
    assert pair.cloud_events == [Closed(CloseCode.REPLACED, "another connection", by_peer=False)]
    assert (pair.node.state, pair.cloud.state) == (State.CLOSED, State.CLOSED)


def test_what_was_queued_before_a_close_still_goes():
    pair = Pair.open()
    pair.node.send_telemetry([entry(1)])
    pair.node.close(CloseCode.NORMAL, "bye")
    pair.deliver()
    assert pair.cloud_events[0] == TelemetryReceived(EPOCH, (entry(1),))


def test_what_comes_while_closing_is_ignored():
    pair = Pair.open()
    pair.node.close(CloseCode.NORMAL, "bye")
    assert pair.to_node(encode(StatusAck(id=99))) == []
    assert pair.to_node(b"garbage") == [Closed(CloseCode.NORMAL, "bye", by_peer=False)]
    assert len(pair.node.outgoing()) == 1


def test_a_close_without_answer_ends_by_itself():
    pair = Pair.open()
    pair.node.close(CloseCode.NORMAL, "bye")
    assert pair.node.next_deadline() == limits.CLOSE_TIMEOUT
    assert pair.node.handle_timer(limits.CLOSE_TIMEOUT) == [
        Closed(CloseCode.NORMAL, "bye", by_peer=False)
    ]


def test_a_closed_session_is_deaf_and_done():
    pair = Pair.open()
    pair.to_node(encode(Close(code=CloseCode.NORMAL)))
    pair.node.outgoing()
    assert pair.node.receive(encode(Ping(id=1)), 9.0) == []
    assert pair.node.handle_timer(1e9) == []
    assert (pair.node.outgoing(), pair.node.next_deadline()) == ([], None)


def test_a_violation_sends_only_the_close():
    pair = Pair.open()
    pair.node.send_telemetry([entry(1)])
    pair.to_node(b"\xff")
    [close] = [decode_up(frame) for frame in pair.node.outgoing()]
    assert close.code is CloseCode.PROTOCOL


def test_a_kind_of_message_from_a_newer_peer_is_ignored_and_counted():
    pair = Pair.open()
    assert pair.to_node(cbor2.dumps({"t": "hologram", "x": 1})) == []
    assert (pair.node.ignored, pair.node.state) == (1, State.OPEN)


def test_reasons_are_cut_to_what_may_travel():
    pair = Pair.open()
    pair.cloud.close(CloseCode.NORMAL, "x" * 5000)
    pair.deliver()
    assert len(pair.node_events[0].reason) == limits.TEXT_LIMIT


def test_the_table_has_every_state_and_no_way_back():
    order = list(State)
    assert set(TABLE) == set(State)
    assert not TABLE[State.CLOSED]
    for state, steps in TABLE.items():
        assert all(order.index(after) > order.index(state) for after in steps.values())
    assert {step for steps in TABLE.values() for step in steps} == set(Step)
