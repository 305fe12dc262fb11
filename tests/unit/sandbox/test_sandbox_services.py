"""kv, telemetry, twin and log as a guest sees them."""

import cbor2
import pytest

from tests.support.guests import Node, Script

AGAIN, BADF, INVAL, NOENT, NOSPC, OVERFLOW, TIMEDOUT = -6, -8, -28, -44, -51, -61, -73


def pack(*records: dict[int, object]) -> bytes:
    return cbor2.dumps(list(records))


# --- kv ----------------------------------------------------------------------------------------


def test_a_value_is_kept_and_found_again(node: Node):
    script = Script()
    key, buffer = script.data(b"counter"), script.buffer(16)
    script.call("skerry_kv.get", *key, buffer, 16)
    script.call("skerry_kv.set", *key, *script.data(b"42"))
    script.call("skerry_kv.get", *key, buffer, 16)
    script.show(buffer, 2)
    script.call("skerry_kv.get", *key, buffer, 1)
    script.call("skerry_kv.delete", *key)
    script.call("skerry_kv.delete", *key)
    assert node.play(script) == [NOENT, 0, 2, b"42", OVERFLOW, 0, NOENT]


def test_keys_are_listed_sorted_by_prefix(node: Node):
    node.services.kv = {"b/2": b"", "b/1": b"", "a": b""}
    script = Script()
    buffer = script.buffer(16)
    script.call("skerry_kv.keys", *script.data(b"b/"), buffer, 16)
    script.show(buffer, 8)
    script.call("skerry_kv.keys", 0, 0, buffer, 16)
    script.call("skerry_kv.keys", 0, 0, buffer, 9)
    assert node.play(script) == [8, b"b/1\0b/2\0", 10, OVERFLOW]


def test_keys_and_values_have_bounds(node: Node):
    script = Script()
    long_key, long_value = script.data(b"k" * 129), script.data(bytes(16385))
    key = script.data(b"k" * 128)
    script.call("skerry_kv.set", *long_key, *key)
    script.call("skerry_kv.set", *key, *long_value)
    script.call("skerry_kv.set", key[0], 0, *key)
    script.call("skerry_kv.set", *script.data(b"\xff"), *key)
    script.call("skerry_kv.set", *script.data(b"a\0"), *key)
    script.call("skerry_kv.set", *key, long_value[0], 16384)
    assert node.play(script) == [INVAL] * 5 + [0]


def test_the_store_ends_exactly_at_the_storage_limit(node: Node):
    node.limits["storage"] = 10
    script = Script()
    key = script.data(b"key")
    value, _ = script.data(b"12345678")
    script.call("skerry_kv.set", *key, value, 8)
    script.call("skerry_kv.set", *key, value, 7)
    script.call("skerry_kv.set", *script.data(b"x"), value, 0)
    script.call("skerry_kv.set", *key, value, 6)
    script.call("skerry_kv.set", *script.data(b"x"), value, 0)
    assert node.play(script) == [NOSPC, 0, NOSPC, 0, 0]


def test_files_leave_that_much_less_room_for_keys(node: Node):
    node.limits["storage"] = 10
    (node.data / "file").write_bytes(bytes(8))
    script = Script()
    script.call("skerry_kv.set", *script.data(b"k"), *script.data(b"12"))
    script.call("skerry_kv.set", *script.data(b"k"), *script.data(b"1"))
    assert node.play(script) == [NOSPC, 0]


# --- telemetry ---------------------------------------------------------------------------------


def test_a_pack_reaches_the_agent_as_it_is(node: Node):
    reading = pack({2: 21.5}, {2: 22, 6: -10})
    script = Script()
    stream = script.call("skerry_telemetry.open", *script.data(b"temperature"))
    script.call("skerry_telemetry.publish", stream, *script.data(reading))
    assert node.play(script) == [1, 2]
    assert node.services.packs == [("temperature", reading, 2)]


def test_a_stream_has_one_handle_and_must_be_in_the_manifest(node: Node):
    script = Script()
    for name in (b"state", b"temperature", b"state", b"pressure"):
        script.call("skerry_telemetry.open", *script.data(name))
    assert node.play(script) == [1, 2, 1, NOENT]


def test_what_is_not_senml_is_invalid_and_the_log_says_why(node: Node):
    script = Script()
    stream = script.call("skerry_telemetry.open", *script.data(b"state"))
    script.call("skerry_telemetry.publish", stream, *script.data(pack({2: "warm"})))
    script.call("skerry_telemetry.publish", stream, 0, 65537)
    assert node.play(script) == [1, INVAL, INVAL]
    assert node.services.lines[0] == (
        4,
        "telemetry state: refused: record 0: v is 'warm', which it cannot be",
    )


def test_more_than_the_rate_is_refused_and_counted(node: Node):
    node.limits["telemetry_rate"] = 0.01
    script = Script()
    stream = script.call("skerry_telemetry.open", *script.data(b"state"))
    reading = script.data(pack({2: 1}, {2: 2}))
    script.call("skerry_telemetry.publish", stream, *reading)
    script.call("skerry_telemetry.publish", stream, *reading)
    guest = node.guest(script.module())
    assert guest.run().code == 0
    assert script.values(node.services) == [1, 2, AGAIN]
    assert guest.usage().dropped_records == 2


def test_a_full_outbox_is_again_and_counted(node: Node):
    node.services.full = True
    script = Script()
    stream = script.call("skerry_telemetry.open", *script.data(b"state"))
    script.call("skerry_telemetry.publish", stream, *script.data(pack({2: 1})))
    guest = node.guest(script.module())
    guest.run()
    assert script.values(node.services) == [1, AGAIN]
    assert guest.usage().dropped_records == 1


def test_flush_waits_and_gives_up_when_its_time_is_over(node: Node):
    script = Script()
    script.call("skerry_telemetry.flush", -1)
    script.call("skerry_telemetry.flush", 0)
    assert node.play(script) == [0, 0]
    node.services.synced = False
    script = Script()
    script.call("skerry_telemetry.flush", 20)
    script.call("skerry_telemetry.flush", 0)
    assert node.play(script) == [TIMEDOUT, TIMEDOUT]


# --- twin --------------------------------------------------------------------------------------


def test_a_desired_value_is_the_clouds_else_the_manifests(node: Node):
    node.services.twin["mode"] = b'"auto"'
    script = Script()
    buffer = script.buffer(16)
    for name in (b"mode", b"setpoint", b"count", b"unknown"):
        script.call("skerry_twin.get", *script.data(name), buffer, 16)
        script.show(buffer, 6)
    script.call("skerry_twin.get", *script.data(b"mode"), buffer, 5)
    values = node.play(script)
    assert values[:2] == [6, b'"auto"']
    assert (values[2], values[3][:4]) == (4, b"21.5")
    assert [values[4], values[6], values[8]] == [NOENT, NOENT, OVERFLOW]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        (b"setpoint", b"19.5", 19.5),
        (b"setpoint", b"19", 19),
        (b"mode", b'"auto"', "auto"),
        (b"count", b"-3", -3),
        (b"enabled", b"true", True),
    ],
)
def test_a_value_of_the_declared_type_is_reported(
    node: Node, name: bytes, text: bytes, value: object
):
    script = Script()
    script.call("skerry_twin.report", *script.data(name), *script.data(text))
    assert node.play(script) == [0]
    assert node.services.reported == [(name.decode(), value)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"setpoint", b"31"),
        (b"setpoint", b"4.9"),
        (b"setpoint", b"NaN"),
        (b"setpoint", b"1e999"),
        (b"setpoint", b"true"),
        (b"setpoint", b"null"),
        (b"count", b"1.5"),
        (b"count", b"9" * 400),
        (b"mode", b"7"),
        (b"mode", b'"unfinished'),
        (b"mode", b'"\xff"'),
        (b"mode", b""),
        (b"mode", b'"' + b"x" * 1023 + b'"'),
        (b"enabled", b"1"),
        (b"enabled", b"[" * 1000),
    ],
)
def test_a_value_that_does_not_fit_is_invalid(node: Node, name: bytes, text: bytes):
    script = Script()
    script.call("skerry_twin.report", *script.data(name), *script.data(text))
    assert node.play(script) == [INVAL]
    assert not node.services.reported


# --- log ---------------------------------------------------------------------------------------


def test_a_line_is_cut_and_cannot_draw_on_a_terminal(node: Node):
    script = Script()
    script.call("skerry_log.write", 3, *script.data(b"red \x1b[31m alert\n"))
    script.call("skerry_log.write", 6, *script.data(b"x" * 5000))
    script.call("skerry_log.write", 8, *script.data(b"no such level"))
    assert node.play(script) == [0, 0, INVAL]
    assert node.services.lines[:2] == [(3, "red \ufffd[31m alert"), (6, "x" * 4096)]


def test_lines_over_the_rate_are_refused_and_counted(node: Node):
    node.limits["log_rate"] = 0.2
    script = Script()
    line = script.data(b"again")
    script.raw("(block")
    for _ in range(12):
        script.call("skerry_log.write", 6, *line)
    script.raw(")")
    guest = node.guest(script.module())
    guest.run()
    assert node.services.count("again") == 2
    assert guest.usage().dropped_lines >= 10
