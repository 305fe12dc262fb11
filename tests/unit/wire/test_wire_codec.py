import contextlib
import re

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.wire import limits
from edge.wire.codec import (
    decode_app_spec,
    decode_app_status,
    decode_down,
    decode_gap,
    decode_up,
    encode,
    encode_app_spec,
    encode_app_status,
    encode_gap,
)
from edge.wire.errors import (
    DecodeError,
    FrameTooLargeError,
    LocalError,
    PeerError,
    UnknownMessageError,
)
from edge.wire.manifest import AppManifest, Grant, GrantKind
from edge.wire.messages import (
    AppState,
    AppStatus,
    Close,
    CloseCode,
    Desired,
    DesiredAck,
    DesiredApp,
    DesiredReset,
    Gap,
    Logs,
    LogsAck,
    Module,
    Ping,
    Pong,
    Status,
    StatusAck,
    Telemetry,
    TelemetryAck,
    Welcome,
)
from tests.support.wire import entry, hello, item, line, status

BOTH = [Ping(id=1), Pong(id=2), Close(code=CloseCode.NORMAL, reason="bye")]
UP = [
    hello(),
    DesiredAck(revision=3),
    DesiredReset(revision=2, reason="lost"),
    Status(id=1, items=[status("a")], whole=True),
    Telemetry(epoch=7, entries=[entry(1), entry(5)]),
    Logs(lines=[line(1)], dropped=2),
    *BOTH,
]
DOWN = [
    Welcome(version=1, time_ns=5, acked_seq=3),
    Desired(revision=4, base=3, put=[item("a")], remove=[("app", "b")]),
    StatusAck(id=1),
    TelemetryAck(epoch=7, seq=5),
    LogsAck(seq=1),
    *BOTH,
]


@pytest.mark.parametrize("message", UP, ids=lambda m: type(m).__name__)
def test_what_goes_up_arrives_equal(message):
    assert decode_up(encode(message)) == message


@pytest.mark.parametrize("message", DOWN, ids=lambda m: type(m).__name__)
def test_what_goes_down_arrives_equal(message):
    assert decode_down(encode(message)) == message


def ping(**changed):
    return cbor2.dumps({"t": "ping", "id": 1} | changed)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not CBOR"),
        (b"\xff", "not CBOR"),
        (ping() + b"\0", "1 bytes follow"),
        (ping()[:-1], "not CBOR"),
        (bytes.fromhex("bf61746470696e676269640100ff"), "indefinite"),
        (bytes.fromhex("a3617464 70696e67 626964 01 626964 02".replace(" ", "")), "Duplicate"),
        (cbor2.dumps({"t": "ping", "id": 1, "x": cbor2.CBORTag(28, [])}), "tag"),
        (cbor2.dumps({"t": "ping", "id": 1, "x": 1 << 70}), "tag"),
        (b"\x81" * 17 + b"\0", "depth"),
        (cbor2.dumps({"t": "ping", "id": 1, 5: 6}), "map key"),
        (cbor2.dumps([1]), "message: Expected `object`"),
        (cbor2.dumps({"id": 1}), "message: Object missing required field `t`"),
        (cbor2.dumps({"t": 5}), "message.t: Expected `str`"),
        (ping(id="1"), "ping.id: Expected `int`, got `str`"),
        (ping(id=-1), "ping.id: Expected `int` >= 0"),
        (ping(id=1 << 63), "ping.id"),
        (cbor2.dumps({"t": "close", "code": "tired"}), "close.code: Invalid enum value"),
        (
            cbor2.dumps({"t": "telemetry", "epoch": 1, "entries": [[1, "senml", "a", "s", 1]]}),
            "telemetry.entries[0]",
        ),
        (
            cbor2.dumps(
                {"t": "telemetry", "epoch": 1, "entries": [[1, "senml", "a\n", "s", 1, b""]]}
            ),
            "telemetry.entries[0][2]",
        ),
        (cbor2.dumps({"t": "telemetry", "epoch": 1, "entries": []}), "telemetry.entries"),
        (cbor2.dumps({"t": "logs", "lines": []}), "logs.lines"),
    ],
)
def test_a_bad_frame_is_refused_and_the_field_named(data, words):
    with pytest.raises(DecodeError, match=re.escape(words)):
        decode_up(data)


def test_a_message_of_the_other_direction_is_refused():
    with pytest.raises(DecodeError, match=r"welcome\.t: Invalid value"):
        decode_up(encode(Welcome(version=1, time_ns=1, acked_seq=0)))
    with pytest.raises(DecodeError, match=r"hello\.t: Invalid value"):
        decode_down(encode(hello()))


def test_an_unknown_kind_of_message_has_an_error_of_its_own():
    with pytest.raises(UnknownMessageError, match="'hologram'"):
        decode_up(cbor2.dumps({"t": "hologram"}))


def test_a_field_unknown_here_is_ignored():
    assert decode_up(ping(colour="blue")) == Ping(id=1)


def test_an_oversized_frame_is_not_even_decoded():
    with pytest.raises(FrameTooLargeError, match="1048577 bytes"):
        decode_up(b"\0" * (limits.FRAME_LIMIT + 1))


def test_an_oversized_message_is_not_sent():
    lines = [line(n, "🐟" * limits.LOG_LINE_LIMIT) for n in range(100)]
    with pytest.raises(LocalError, match="Logs: "):
        encode(Logs(lines=lines))


@given(st.binary(max_size=200))
@example(b"\xd8\x1c\x81\xd8\x1d\x00")
def test_garbage_is_the_peers_fault_and_nothing_else(data):
    for decode in (decode_up, decode_down, decode_app_spec, decode_app_status, decode_gap):
        with contextlib.suppress(PeerError):
            decode(data)


@given(st.sampled_from(UP + DOWN), st.data())
def test_a_damaged_frame_is_a_message_or_the_peers_fault(message, data):
    frame = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(frame)))
    for decode in (decode_up, decode_down):
        with contextlib.suppress(PeerError):
            decode(bytes(frame[:cut]))


SPEC = DesiredApp(
    manifest=AppManifest(
        name="thermo", version="1.2.3", grants={"probe": Grant(kind=GrantKind.I2C)}
    ),
    module=Module(repository="apps/thermo", digest="sha256:" + "0" * 64, size=100),
    grants={"probe": "i2c-1:0x48"},
    twin={"target": 21.5, "on": True, "mode": "auto", "n": 3},
)


def test_specs_and_statuses_survive_the_journey():
    assert decode_app_spec(encode_app_spec(SPEC)) == SPEC
    told = AppStatus(state=AppState.TRAPPED, reason="CrashLoop", exit_code=None, twin={"n": 1})
    assert decode_app_status(encode_app_status(told)) == told
    gap = Gap(records=3, first_ns=1, last_ns=9)
    assert decode_gap(encode_gap(gap)) == gap


def test_a_bad_spec_names_the_field():
    raw = cbor2.loads(encode_app_spec(SPEC))
    raw["module"]["repository"] = "../../etc"
    with pytest.raises(DecodeError, match=r"DesiredApp\.module\.repository"):
        decode_app_spec(cbor2.dumps(raw))


def test_specs_are_bounded_both_ways():
    with pytest.raises(FrameTooLargeError, match="Gap"):
        decode_gap(bytes(limits.SPEC_LIMIT + 1))
    with pytest.raises(LocalError, match="AppStatus"):
        encode_app_status(AppStatus(state=AppState.RUNNING, twin={"x": "y" * limits.SPEC_LIMIT}))


@pytest.mark.parametrize("name", ["app\n", "App", "-app", "a" * 64, "", "a b", "a/b"])
def test_a_name_that_is_no_label_is_refused(name):
    with pytest.raises(DecodeError, match=r"telemetry\.entries\[0\]\[2\]"):
        decode_up(
            cbor2.dumps(
                {"t": "telemetry", "epoch": 1, "entries": [[1, "senml", name, "s", 1, b""]]}
            )
        )
