"""gpio, i2c, serial and events as a guest sees them, against the simulated board."""

import os
import struct
import threading
from typing import Self

import pytest

from edge.sandbox.errnos import Errno
from edge.sandbox.exits import ExitKind
from edge.sandbox.setup import SerialGrant
from hal.errors import BusError, ResourceBusyError
from hal.sim import SimBoard
from tests.support.guests import Node, Running, Script

BADF, BUSY, FAULT, INVAL, IO, NXIO = -8, -10, -21, -28, -29, -60
OVERFLOW, PERM, NOENT, TIMEDOUT = -61, -63, -44, -73
STOP, TWIN, EDGE, READABLE, CLOSED = range(1, 6)
T_HIGH = b"\x03"
"""Register of the TMP105 that holds 80 degrees, 0x5000, from the start."""
EVENT = struct.Struct("<IiqqQ")


def opened(module: str, grant: bytes) -> tuple[Script, object]:
    script = Script()
    return script, script.call(f"skerry_{module}.open", *script.data(grant))


# --- opening -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [b"nothing", b"probe", b"absent"])
def test_what_is_not_granted_as_a_line_is_not_permitted(node: Node, name: bytes):
    script, _ = opened("gpio", name)
    assert node.play(script) == [PERM]


@pytest.mark.parametrize("name", [b"", b"\xff\xfe", b"x" * 65, b"a\0b"])
def test_a_name_that_cannot_be_one_is_invalid(node: Node, name: bytes):
    script, _ = opened("i2c", name)
    assert node.play(script) == [INVAL]


def test_a_grant_that_is_open_is_busy_until_it_is_closed(node: Node):
    script, handle = opened("i2c", b"probe")
    name = script.data(b"probe")
    script.call("skerry_i2c.open", *name)
    script.call("skerry_i2c.close", handle)
    script.call("skerry_i2c.open", *name)
    assert node.play(script) == [1, BUSY, 0, 1]


def test_hardware_that_another_holds_is_busy(node: Node, board: SimBoard):
    with board.open_i2c("i2c-1", 0x48):
        script, _ = opened("i2c", b"probe")
        assert node.play(script) == [BUSY]


def test_hardware_the_board_does_not_have_is_not_found(node: Node):
    node.resources = {"probe": "i2c-9:0x48"}
    script, _ = opened("i2c", b"probe")
    assert node.play(script) == [NOENT]


def test_a_handle_of_one_module_is_no_handle_in_another(node: Node):
    script, lamp = opened("gpio", b"lamp")
    buffer = script.buffer(8)
    probe = script.call("skerry_i2c.open", *script.data(b"probe"))
    script.call("skerry_gpio.read", probe)
    script.call("skerry_i2c.read", lamp, buffer, 1)
    script.call("skerry_serial.read", lamp, buffer, 1)
    script.call("skerry_telemetry.publish", lamp, buffer, 1)
    assert node.play(script) == [1, 2, BADF, BADF, BADF, BADF]


def test_what_a_guest_left_open_is_free_when_it_has_ended(node: Node, board: SimBoard):
    script, _ = opened("gpio", b"lamp")
    node.play(script)
    assert node.play(opened("gpio", b"lamp")[0]) == [1]


# --- gpio --------------------------------------------------------------------------------------


def test_a_line_reads_what_the_outside_drives(node: Node, board: SimBoard):
    board.drive("GPIO1", level=1)
    script, button = opened("gpio", b"button")
    script.call("skerry_gpio.read", button)
    script.call("skerry_gpio.write", button, 1)
    assert node.play(script) == [1, 1, PERM]


def test_an_output_drives_and_keeps_its_level_when_closed_and_opened_again(
    node: Node, board: SimBoard
):
    script, lamp = opened("gpio", b"lamp")
    name = script.data(b"lamp")
    script.call("skerry_gpio.write", lamp, 1)
    script.call("skerry_gpio.close", lamp)
    script.call("skerry_gpio.write", lamp, 0)
    again = script.call("skerry_gpio.open", *name)
    script.call("skerry_gpio.read", again)
    assert node.play(script) == [1, 0, 0, BADF, 1, 1]
    assert {change.target for change in board.changes()} == {"GPIO2"}


# --- i2c ---------------------------------------------------------------------------------------


def test_a_register_is_read_in_one_combined_transaction(node: Node):
    script, probe = opened("i2c", b"probe")
    register = script.data(T_HIGH)
    buffer = script.buffer(8)
    script.call("skerry_i2c.write_read", probe, *register, buffer, 2)
    script.show(buffer, 2)
    script.call("skerry_i2c.write", probe, *register)
    script.call("skerry_i2c.read", probe, buffer, 2)
    script.show(buffer, 2)
    assert node.play(script) == [1, 2, b"\x50\x00", 0, 2, b"\x50\x00"]


def test_a_transaction_carries_its_operations_in_order(node: Node):
    script, probe = opened("i2c", b"probe")
    register, _ = script.data(T_HIGH)
    buffer = script.buffer(8)
    operations, _ = script.data(struct.pack("<6I", 0, register, 1, 1, buffer, 2))
    script.call("skerry_i2c.transaction", probe, operations, 2)
    script.show(buffer, 2)
    assert node.play(script) == [1, 0, b"\x50\x00"]


@pytest.mark.parametrize(
    ("fault", "number"), [("nak", NXIO), ("timeout", TIMEDOUT), ("error", IO)]
)
def test_each_fault_of_the_bus_has_its_number(
    node: Node, board: SimBoard, fault: str, number: int
):
    board.drive("i2c-1:0x48", fail=fault)
    script, probe = opened("i2c", b"probe")
    buffer = script.buffer(8)
    script.call("skerry_i2c.read", probe, buffer, 2)
    script.call("skerry_i2c.read", probe, buffer, 2)
    assert node.play(script) == [1, number, 2]


def test_messages_past_the_limits_are_invalid(node: Node):
    script, probe = opened("i2c", b"probe")
    block = script.buffer(8192)
    strange, _ = script.data(struct.pack("<3I", 2, block, 1))
    script.call("skerry_i2c.read", probe, block, 4097)
    script.call("skerry_i2c.read", probe, block, 0)
    script.call("skerry_i2c.write", probe, block, 4097)
    script.call("skerry_i2c.transaction", probe, block, 43)
    script.call("skerry_i2c.transaction", probe, block, 0)
    script.call("skerry_i2c.transaction", probe, strange, 1)
    assert node.play(script) == [1] + [INVAL] * 6


def test_nothing_goes_on_the_wire_when_a_later_pointer_is_bad(node: Node, board: SimBoard):
    script, probe = opened("i2c", b"probe")
    register = script.data(b"\0")
    script.call("skerry_i2c.write_read", probe, *register, 0xFFFFFFF0, 2)
    assert node.play(script) == [1, FAULT]
    assert board.observe()["i2c-1:0x48"].transactions == 0


# --- serial ------------------------------------------------------------------------------------


def test_a_port_reads_what_has_arrived_and_never_blocks(node: Node, board: SimBoard):
    script, meter = opened("serial", b"meter")
    buffer = script.buffer(64)
    event = script.buffer(32)
    script.call("skerry_serial.read", meter, buffer, 64)
    script.call("skerry_serial.write", meter, *script.data(b"hello"), 1000)
    script.call("skerry_event.wait", -1, event, 32)
    script.show(event, 8)
    script.call("skerry_serial.read", meter, buffer, 64)
    script.show(buffer, 3)
    running = Running(node.guest(script.module()))
    assert board.wait_for(lambda seen: seen["serial0"].received == b"hello", 10)
    board.drive("serial0", send="abc")
    assert running.end().kind is ExitKind.EXITED
    values = script.values(node.services)
    assert values[:4] == [1, 0, 5, 1]
    assert struct.unpack("<Ii", values[4]) == (READABLE, 1)
    assert 1 <= values[5] <= 3
    assert values[6][: values[5]] == b"abc"[: values[5]]


def test_two_busy_ports_take_turns(node: Node, board: SimBoard):
    script, _ = opened("serial", b"meter")
    script.call("skerry_serial.open", *script.data(b"spare"))
    script.call("skerry_log.write", 6, *script.data(b"open"))
    event = script.buffer(32)
    script.call("skerry_event.wait", -1, event, 32)
    script.call("skerry_log.write", 6, *script.data(b"first byte"))
    script.call("skerry_serial.open", *script.data(b"gate"))
    for _ in range(4):
        script.call("skerry_event.wait", -1, event, 32)
        script.show(event, 8)
    gate = Gate()
    node.manifest["grants"]["gate"] = {"kind": "serial"}
    setup = node.setup()
    running = Running(node.guest(script.module(), grants={**setup.grants, "gate": gate.grant}))
    node.services.wait_for_line("open")
    board.drive("serial0", send="first")
    node.services.wait_for_line("first byte")
    board.drive("serial1", send="second")
    assert board.wait_for(lambda seen: seen["serial1"].sent == len("second"), 10)
    gate.opened.set()
    running.end()
    shown = script.values(node.services)[7::2]
    handles = [struct.unpack("<Ii", event)[1] for event in shown]
    assert sorted(handles) == [1, 1, 2, 2]
    assert handles[:2] != handles[1:3]


def test_a_port_that_goes_away_says_so_once_and_then_gives_errors(node: Node):
    port = FallingPort()
    script, meter = opened("serial", b"meter")
    buffer = script.buffer(64)
    event = script.buffer(32)
    script.call("skerry_serial.read", meter, buffer, 8)
    script.call("skerry_event.wait", 0, event, 32)
    script.show(event, 8)
    script.call("skerry_event.wait", 0, event, 32)
    script.call("skerry_serial.read", meter, buffer, 8)
    values = node.play(script, grants={"meter": port.grant})
    assert values[1] == IO
    assert struct.unpack("<Ii", values[3]) == (CLOSED, 1)
    assert values[4:] == [0, IO]


# --- events ------------------------------------------------------------------------------------


def test_edges_come_in_order_with_their_times(node: Node, board: SimBoard):
    script, _ = opened("gpio", b"button")
    event = script.buffer(32)
    script.call("skerry_log.write", 6, *script.data(b"listening"))
    for _ in range(2):
        script.call("skerry_event.wait", -1, event, 32)
        script.show(event, 32)
    running = Running(node.guest(script.module()))
    node.services.wait_for_line("listening")
    board.drive("GPIO1", level=1)
    board.drive("GPIO1", level=0)
    running.end()
    values = script.values(node.services)
    first, second = EVENT.unpack(values[3]), EVENT.unpack(values[5])
    assert [first[0], first[1], first[3]] == [EDGE, 1, 1]
    assert [second[0], second[1], second[3]] == [EDGE, 1, 0]
    assert 0 < first[2] < second[2]


def test_a_closed_line_reports_nothing_any_more(node: Node, board: SimBoard):
    script, button = opened("gpio", b"button")
    event = script.buffer(32)
    script.call("skerry_gpio.close", button)
    script.call("skerry_event.wait", 0, event, 32)
    assert node.play(script) == [1, 0, 0]


def test_a_twin_change_wakes_the_guest_with_the_number_of_changes(node: Node):
    script = Script()
    event = script.buffer(32)
    script.call("skerry_log.write", 6, *script.data(b"listening"))
    script.call("skerry_event.wait", -1, event, 32)
    script.show(event, 32)
    running = Running(node.guest(script.module()))
    node.services.wait_for_line("listening")
    running.guest.notify_twin(3)
    running.end()
    assert EVENT.unpack(script.values(node.services)[2])[::3] == (TWIN, 3)


def test_stop_is_told_once_with_the_time_that_is_left(node: Node):
    script = Script()
    event = script.buffer(32)
    script.call("skerry_log.write", 6, *script.data(b"listening"))
    script.call("skerry_event.wait", -1, event, 32)
    script.show(event, 32)
    script.call("skerry_event.wait", 0, event, 32)
    running = Running(node.guest(script.module()))
    node.services.wait_for_line("listening")
    running.guest.stop(grace=100)
    end = running.end()
    assert (end.kind, end.code) == (ExitKind.STOPPED, 0)
    values = script.values(node.services)
    kind, _, _, left, _ = EVENT.unpack(values[2])
    assert kind == STOP
    assert 0 < left <= 100_000
    assert values[3] == 0


def test_wait_returns_0_when_the_time_is_over_and_needs_room_for_an_event(node: Node):
    script = Script()
    event = script.buffer(32)
    script.call("skerry_event.wait", 20, event, 32)
    script.call("skerry_event.wait", 0, event, 31)
    assert node.play(script) == [0, OVERFLOW]


def test_clocks_run(node: Node):
    script = Script()
    script.call("skerry_event.now_ns")
    script.call("skerry_event.monotonic_ns")
    script.call("skerry_event.monotonic_ns")
    wall, first, second = node.play(script)
    assert wall > 1_600_000_000 * 10**9
    assert second >= first > 0


def test_every_error_number_is_the_one_of_wasi_preview_1():
    assert Errno.OVERFLOW == 61
    assert Errno.NOTCAPABLE == 76


class FallingPort:
    """A serial port that is unplugged."""

    def __init__(self) -> None:
        self._event = os.eventfd(0)

    @property
    def grant(self) -> SerialGrant:
        return SerialGrant(lambda: self)

    def read(self, limit: int = 0) -> bytes:  # noqa: ARG002
        raise BusError("unplugged")

    def write(self, data: bytes, timeout: float) -> int:  # noqa: ARG002
        raise BusError("unplugged")

    def fileno(self) -> int:
        return self._event

    def close(self) -> None:
        if self._event >= 0:
            os.close(self._event)
            self._event = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Gate:
    """A grant whose opening fails, but not before the test lets it."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    @property
    def grant(self) -> SerialGrant:
        return SerialGrant(self._open)

    def _open(self) -> FallingPort:
        assert self.opened.wait(20)
        raise ResourceBusyError("gate")
