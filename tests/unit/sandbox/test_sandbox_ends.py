"""How an app ends: each way is its own kind, with a message for a person."""

import os
import threading
from typing import Self

import pytest

from edge.sandbox.exits import ExitKind
from edge.sandbox.setup import SerialGrant
from hal.errors import BusError, ResourceBusyError
from tests.support.guests import Node, Running, Script, c, forever, wat

WAIT = '(import "skerry_event" "wait" (func $wait (param i64 i32 i32) (result i32)))'
REFUSED_GROW = "(drop (memory.grow (i32.const 20000)))"


def command(body: str, more: str = "") -> bytes:
    return wat(
        f'(module {WAIT} {more} (memory (export "memory") 1) (func $main (export "_start") {body}))'
    )


def test_returning_from_main_is_an_exit_with_code_0(node: Node):
    end = node.run(command(""))
    assert (end.kind, end.code) == (ExitKind.EXITED, 0)


def test_proc_exit_shows_its_code(node: Node):
    script = Script()
    script.call("wasi_snapshot_preview1.proc_exit", 3)
    end = node.run(script.module())
    assert (end.kind, end.code) == (ExitKind.EXITED, 3)


def test_a_trap_names_its_reason_and_the_functions_it_happened_in(node: Node):
    end = node.run(
        command("(call $deeper)", "(func $deeper (drop (i32.div_s (i32.const 1) (i32.const 0))))")
    )
    assert end.kind is ExitKind.TRAPPED
    assert end.message == "integer division by zero in deeper < main"


def test_an_access_past_the_memory_is_a_trap(node: Node):
    end = node.run(command("(drop (i32.load (i32.const 65533)))"))
    assert (end.kind, end.message) == (ExitKind.TRAPPED, "memory out of bounds in main")


def test_deep_recursion_is_a_trap_and_the_next_guest_runs(node: Node):
    end = node.run(command("(call $down)", "(func $down (call $down) (call $down))"))
    assert end.kind is ExitKind.TRAPPED
    assert end.message.startswith("stack overflow in down < down")
    assert "more" in end.message
    assert node.run(command("")).kind is ExitKind.EXITED


def test_deep_recursion_into_a_host_call_on_a_guests_own_thread_is_a_trap(node: Node):
    down = (
        '(import "skerry_event" "monotonic_ns" (func $now (result i64)))'
        "(func $down (drop (call $now)) (call $down) (call $down))"
    )
    end = Running(node.guest(command("(call $down)", down))).end()
    assert end.kind is ExitKind.TRAPPED
    assert "stack overflow" in end.message


def test_computing_past_the_budget_is_out_of_budget(node: Node):
    node.limits |= {"cpu_budget": 0.05, "cpu_share": 1.0}
    end = node.run(forever(""))
    assert end.kind is ExitKind.OUT_OF_BUDGET
    assert "0.05 s" in end.message


def test_a_loop_in_the_start_function_is_out_of_budget(node: Node):
    node.limits |= {"cpu_budget": 0.05, "cpu_share": 1.0}
    end = node.run(command("", "(start $begin) (func $begin (loop (br 0)))"))
    assert end.kind is ExitKind.OUT_OF_BUDGET


def test_a_guest_that_keeps_coming_back_to_wait_has_a_new_budget_each_time(node: Node):
    node.limits |= {"cpu_budget": 0.1, "cpu_share": 1.0}
    work = (
        "(local $i i32) (local $n i32)"
        + """
      (loop $rounds
        (local.set $i (i32.const 20000000))
        (loop $work (local.set $i (i32.sub (local.get $i) (i32.const 1)))
          (br_if $work (local.get $i)))
        (drop (call $wait (i64.const 0) (i32.const 0) (i32.const 32)))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $rounds (i32.lt_u (local.get $n) (i32.const 30))))"""
    )
    guest = node.guest(command(work))
    assert guest.run().kind is ExitKind.EXITED
    assert guest.usage().cpu > 0.1


def test_a_refused_growth_before_a_trap_is_out_of_memory(node: Node):
    end = node.run(command(f"{REFUSED_GROW} unreachable"))
    assert end.kind is ExitKind.OUT_OF_MEMORY
    assert "8388608" in end.message


def test_malloc_until_null_then_abort_is_out_of_memory(node: Node):
    source = """#include <stdlib.h>
        int main(void) { for (;;) { volatile char *p = malloc(100000); if (!p) abort(); *p = 1; } }
    """
    end = node.run(c(source))
    assert end.kind is ExitKind.OUT_OF_MEMORY


def test_a_non_zero_exit_after_a_refusal_is_out_of_memory_and_keeps_the_code(node: Node):
    source = """#include <stdlib.h>
        int main(void) { volatile char *p = malloc(1 << 30); if (!p) return 7; *p = 1; return 0; }
    """
    end = node.run(c(source))
    assert (end.kind, end.code) == (ExitKind.OUT_OF_MEMORY, 7)


def test_ignoring_a_refused_growth_is_no_crime(node: Node):
    end = node.run(command(REFUSED_GROW))
    assert (end.kind, end.code) == (ExitKind.EXITED, 0)


def test_a_trap_after_the_refusal_was_survived_to_the_next_wait_is_only_a_trap(node: Node):
    end = node.run(
        command(
            f"{REFUSED_GROW} (drop (call $wait (i64.const 0) (i32.const 0) (i32.const 32)))"
            " unreachable"
        )
    )
    assert end.kind is ExitKind.TRAPPED


def test_growth_up_to_the_limit_is_granted_and_counted(node: Node):
    node.limits["memory"] = 4 * 65536
    guest = node.guest(
        command(
            "(if (i32.ne (memory.grow (i32.const 3)) (i32.const 1)) (then unreachable))"
            "(i32.store (i32.const 262140) (i32.const 1))"
            "(if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))"
        )
    )
    assert guest.run().kind is ExitKind.EXITED
    assert guest.usage().memory == 4 * 65536


def test_a_table_cannot_grow_past_its_bound(node: Node):
    end = node.run(
        command(
            "(if (i32.ne (table.grow $t (ref.null func) (i32.const 1000000)) (i32.const -1))"
            " (then unreachable))",
            "(table $t 1 funcref)",
        )
    )
    assert end.kind is ExitKind.EXITED


def test_a_module_that_starts_with_more_memory_than_its_limit_fails_and_says_so(node: Node):
    node.limits["memory"] = 65536
    end = node.run(wat('(module (memory (export "memory") 2) (func (export "_start")))'))
    assert end.kind is ExitKind.FAILED
    assert "needs 131072 bytes" in end.message
    assert "limits.memory" in end.message


def test_exceptions_are_thrown_and_caught_within_the_memory_limit(node: Node):
    end = node.run(
        command(
            "(drop (block $caught (result i32)"
            " (try_table (catch $t $caught) (throw $t (i32.const 7))) (i32.const 1)))",
            "(tag $t (param i32))",
        )
    )
    assert end.kind is ExitKind.EXITED


def test_sleeping_past_the_watchdog_is_hung(node: Node):
    node.limits["watchdog"] = 0.1
    end = node.run(c("#include <unistd.h>\nint main(void) { sleep(1000); return 0; }"))
    assert end.kind is ExitKind.HUNG
    assert "0.1 s" in end.message


def test_short_sleeps_that_never_come_back_to_wait_add_up_to_hung(node: Node):
    node.limits["watchdog"] = 0.1
    end = node.run(c("#include <unistd.h>\nint main(void) { for (;;) usleep(10000); }"))
    assert end.kind is ExitKind.HUNG


def test_waiting_longer_than_the_watchdog_is_fine(node: Node):
    node.limits["watchdog"] = 0.1
    end = node.run(command("(drop (call $wait (i64.const 150) (i32.const 0) (i32.const 32)))"))
    assert end.kind is ExitKind.EXITED


def test_being_slowed_down_past_the_watchdog_is_not_hung(node: Node):
    node.limits |= {"watchdog": 0.1, "cpu_share": 0.1, "cpu_budget": 0.15}
    assert node.run(forever("")).kind is ExitKind.OUT_OF_BUDGET


def test_a_serial_write_that_nobody_takes_is_hung(node: Node):
    node.limits["watchdog"] = 0.2
    script = Script()
    handle = script.call("skerry_serial.open", *script.data(b"meter"))
    block = script.buffer(65536)
    script.raw("(loop")
    script.call("skerry_serial.write", handle, block, 65536, -1)
    script.raw("(br 0))")
    wedged = WedgedPort()
    end = node.run(script.module(), grants={"meter": wedged.grant})
    assert end.kind is ExitKind.HUNG


def test_calls_that_fail_slowly_for_ever_are_hung_too(node: Node):
    node.limits["watchdog"] = 0.1
    script = Script()
    name = script.data(b"meter")
    script.raw("(loop")
    script.call("skerry_serial.open", *name)
    script.raw("(br 0))")

    def fail_slowly() -> WedgedPort:
        threading.Event().wait(0.02)
        raise ResourceBusyError("meter")

    end = node.run(script.module(), grants={"meter": SerialGrant(fail_slowly)})
    assert end.kind is ExitKind.HUNG


def test_hardware_that_does_not_close_does_not_hide_the_end(
    node: Node, caplog: pytest.LogCaptureFixture
):
    port = StuckPort()
    script = Script()
    script.call("skerry_serial.open", *script.data(b"meter"))
    assert node.run(script.module(), grants={"meter": port.grant}).code == 0
    assert "did not close" in caplog.text


def test_a_bug_in_the_agent_ends_the_app_as_failed_and_names_the_function(node: Node):
    node.services.broken = True
    script = Script()
    handle = script.call("skerry_telemetry.open", *script.data(b"state"))
    script.call("skerry_telemetry.publish", handle, *script.data(bytes.fromhex("81a10201")))
    end = node.run(script.module())
    assert end.kind is ExitKind.FAILED
    assert "publish" in end.message
    assert "a bug in the agent" in end.message


def test_a_missing_data_directory_is_a_failure_to_start(node: Node):
    end = node.run(command(""), data_dir=node.directory / "nowhere")
    assert end.kind is ExitKind.FAILED


def test_code_that_is_not_ours_is_a_failure_to_start(node: Node):
    wasm = command("")
    guest = node.guest(wasm)
    for file in node.directory.glob("*.cwasm"):
        file.write_bytes(b"not code")
    assert guest.run().kind is ExitKind.FAILED


def test_output_without_an_end_of_line_is_logged_when_the_app_ends(node: Node):
    node.run(c('#include <stdio.h>\nint main(void) { fputs("the end", stderr); return 0; }'))
    assert node.services.lines == [(4, "the end")]


class WedgedPort:
    """A serial port whose other side never takes a byte."""

    def __init__(self) -> None:
        self._event = os.eventfd(0)

    @property
    def grant(self) -> SerialGrant:
        return SerialGrant(lambda: self)

    def read(self, limit: int = 0) -> bytes:  # noqa: ARG002
        return b""

    def write(self, data: bytes, timeout: float) -> int:  # noqa: ARG002
        threading.Event().wait(timeout)
        return 0

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


class StuckPort(WedgedPort):
    """A port whose driver fails while closing."""

    def close(self) -> None:
        super().close()
        raise BusError("the driver is stuck")
