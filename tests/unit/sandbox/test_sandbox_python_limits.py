"""Limits hold inside of Python: each is an exception where a program can go on, else a clean end."""

from collections import Counter
from pathlib import Path

import pytest

from edge.sandbox.exits import Exit, ExitKind
from tests.support.guests import Node
from tests.support.mutants import compiled, mutants
from tests.support.python_app import python, run, said, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MUTANTS = 200
"""Of a compiled file; `python -m tests.support.mutants COUNT` tries any number."""


def test_past_the_memory_limit_is_memory_error_and_then_a_clean_end(node: Node):
    end = run(node, "kept = []\nwhile True:\n    kept.append(bytearray(1000))")
    assert (end.kind, end.code) == (ExitKind.OUT_OF_MEMORY, 1)
    assert "1048576 bytes" in end.message
    assert said(node)[-1].startswith("MemoryError: ")


def test_a_program_that_catches_memory_error_goes_on(node: Node):
    source = """
import time
kept = []
try:
    while True:
        kept.append(bytearray(1000))
except MemoryError:
    count = len(kept)
    kept = None
print(count > 300)
time.sleep_ms(1)
print(len([bytearray(1000) for _ in range(count // 2)]) == count // 2)
"""
    end = run(node, source)
    assert said(node) == ["True", "True"]
    assert (end.kind, end.code) == (ExitKind.EXITED, 0)


def test_a_loop_that_catches_everything_is_ended_by_the_cpu_budget(node: Node):
    node.limits |= {"cpu_budget": 0.2, "cpu_share": 1.0}
    source = """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
"""
    running = start(node, source)
    try:
        assert running.end(timeout=30).kind is ExitKind.OUT_OF_BUDGET
    finally:
        running.guest.stop(0)


def test_sleeping_gives_a_new_budget(node: Node):
    node.limits |= {"cpu_budget": 0.2, "cpu_share": 1.0}
    source = """
import time
begun = time.ticks_ms()
while time.ticks_diff(time.ticks_ms(), begun) < 1000:
    for _ in range(1000):
        pass
    time.sleep(0)
"""
    assert run(node, source).kind is ExitKind.EXITED


@pytest.mark.parametrize(
    "deep",
    [
        "def down(): return down() + 1\ndown()",
        "class A:\n    def __repr__(self): return repr(self) + 'x'\nrepr(A())",
        "class A:\n    def __lt__(self, other): return sorted([self, other])[0] is self\n"
        "sorted([A(), A()])",
        "class A:\n    def __getattr__(self, name): return getattr(self, name + 'x')\nA().y",
        "eval('(' * 5000)",
        "eval('[' * 5000)",
        "exec('x = ' + '-' * 5000 + '1')",
        "import json\njson.loads('[' * 20000)",
        "nest = []\nfor _ in range(20000): nest = [nest]\nrepr(nest)",
        "import re\nre.match('(a|b)*c', 'ab' * 20000)",
        "def walk(): yield from walk()\nlist(walk())",
        "import sys\nexec('import part', {})",
        "nest = ()\nfor _ in range(20000): nest = (nest,)\nhash(nest)",
        "one = other = ()\nfor _ in range(20000): one, other = (one,), (other,)\none == other",
        "one = other = []\nfor _ in range(20000): one, other = [one], [other]\none < other",
        "one = other = {}\nfor _ in range(9000): one, other = {1: one}, {1: other}\none == other",
        "eval('[' * 20000 + ']' * 20000)",
        "eval('1 if 1 else ' * 20000 + '1')",
    ],
)
def test_recursion_too_deep_is_an_exception_in_whatever_way(node: Node, deep: str):
    node.limits["memory"] = 8 << 20
    caught = "\n".join(f"    {line}" for line in deep.splitlines())
    source = f"try:\n{caught}\nexcept Exception as fault:\n    print(type(fault).__name__)"
    end = run(node, source, part="import main2\n", main2="import part3\n", part3="import part4\n")
    assert (end.kind, end.code) == (ExitKind.EXITED, 0), (end, said(node))


def test_where_micropython_counts_no_depth_the_guest_traps_and_nothing_else_does(node: Node):
    node.limits["memory"] = 8 << 20
    end = run(node, "import re\nre.compile('(' * 3000 + ')' * 3000)")
    assert (end.kind, end.message.partition(" in ")[0]) == (
        ExitKind.TRAPPED,
        "memory out of bounds",
    )
    assert run(node, "print('well')").code == 0


def test_exceptions_leave_nothing_behind(node: Node):
    node.limits["cpu_budget"] = 60
    source = """
def fail(count):
    for at in range(count):
        try:
            raise ValueError(at)
        except ValueError:
            pass
fail(300000)
print("done")
"""
    guest = node.guest(**python(node, main=source))
    assert guest.run().kind is ExitKind.EXITED
    assert guest.usage().memory <= 768 << 10


def test_readings_over_the_rate_are_eagain_and_counted(node: Node):
    node.limits["telemetry_rate"] = 1
    source = """
import errno
from skerry import telemetry
sent = 0
try:
    while True:
        sent += telemetry.publish("state", 1)
except OSError as fault:
    print(sent, fault.errno == errno.EAGAIN)
"""
    guest = node.guest(**python(node, main=source))
    guest.run()
    assert said(node) == ["10 True"]
    assert guest.usage().dropped_records == 1


def test_lines_over_the_rate_are_dropped_and_counted_and_nobody_fails(node: Node):
    node.limits["log_rate"] = 1
    source = """
from skerry import log
for at in range(100):
    print(at)
    log.info("line")
"""
    guest = node.guest(**python(node, main=source))
    assert guest.run().code == 0
    assert guest.usage().dropped_lines > 150
    assert len(node.services.lines) < 20


def test_files_past_the_storage_limit_are_enospc(node: Node):
    node.limits["storage"] = 10000
    source = """
import errno
from skerry import kv
try:
    with open("/data/large", "wb") as file:
        while True:
            file.write(bytes(1000))
except OSError as fault:
    print(fault)
try:
    kv["large"] = bytes(9000)
except OSError as fault:
    print(fault)
"""
    run(node, source)
    assert said(node) == ["[Errno 28] ENOSPC", "[Errno 28] ENOSPC"]


def test_an_unbounded_line_is_cut_into_pieces_not_kept(node: Node):
    node.limits["log_rate"] = 10000
    end = run(node, "for _ in range(2000):\n    print('x' * 100, end='')")
    assert end.kind is ExitKind.EXITED
    assert sum(map(len, said(node))) <= 200000


def test_a_device_that_floods_a_port_costs_a_buffer_and_no_more(node: Node):
    source = """
import time
from machine import UART
port = UART("meter", rxbuf=64)
print("open")
time.sleep(0.3)
print(port.any())
"""
    running = start(node, source)
    node.services.wait_for_line("open")
    assert node.board is not None
    node.board.drive("serial0", send="y" * 4000)
    assert running.end().code == 0
    assert said(node)[-1] == "64"


# --- bytecode of a stranger ---------------------------------------------------------------------


def test_a_compiled_program_runs(node: Node, tmp_path: Path):
    assert _run_compiled(node, compiled(tmp_path)).code == 0
    assert said(node)[0].startswith('{"')


def test_damaged_bytecode_ends_its_own_guest_and_nothing_else(node: Node, tmp_path: Path):
    node.limits |= {"cpu_budget": 0.2, "cpu_share": 1.0, "log_rate": 10000}
    original = compiled(tmp_path)
    ends: Counter[str] = Counter()
    for mutant in mutants(original, MUTANTS, seed=1):
        end = _run_compiled(node, mutant)
        assert end.kind is not ExitKind.FAILED, end
        ends[end.kind.value] += 1
        assert node.services.reported == []
    # Bytecode is not checked, so some of it does what only the sandbox holds in.
    assert ends[ExitKind.TRAPPED.value] > 0
    assert _run_compiled(node, original).code == 0


def _run_compiled(node: Node, code: bytes) -> Exit:
    return node.run(**python(node, **{"main.mpy": code}))
