"""Ten apps at once on one engine, three of them hostile; and stopping a guest wherever it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.sandbox.engine import Engine
from edge.sandbox.exits import ExitKind
from tests.support.guests import Node, Running, Script, c, forever, wat

TICKS = 20
WORKER = f"""
    #include <stdint.h>
    __attribute__((import_module("skerry_event"), import_name("wait")))
    int32_t wait_event(int64_t timeout, void *event, int32_t capacity);
    #include <stdio.h>
    int main(void) {{
        char event[32];
        for (int tick = 1; tick <= {TICKS}; tick++) {{
            wait_event(10, event, sizeof event);
            printf("tick %d\\n", tick);
            fflush(stdout);
        }}
        return 0;
    }}"""
HOARDER = """
    #include <stdlib.h>
    int main(void) {
        for (;;) {
            volatile char *p = malloc(65536);
            if (!p) abort();
            for (int at = 0; at < 65536; at += 64) p[at] = 1;
        }
    }
"""


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


def node(engine: Engine, directory: Path, **limits: float) -> Node:
    directory.mkdir(exist_ok=True)
    return Node(engine, directory, limits=limits, manifest={"telemetry": {"flood": {}}})


def flooder() -> bytes:
    script = Script()
    stream = script.call("skerry_telemetry.open", *script.data(b"flood"))
    pack = script.data(bytes.fromhex("81a10201"))
    line = script.data(b"flood")
    script.raw("(loop")
    script.call("skerry_telemetry.publish", stream, *pack)
    script.call("skerry_log.write", 6, *line)
    script.raw("(br 0))")
    return script.module()


def test_seven_apps_make_progress_beside_one_that_spins_one_that_hoards_and_one_that_floods(
    engine: Engine, tmp_path: Path
):
    spinning = node(engine, tmp_path / "spin", cpu_share=0.5, cpu_budget=1000)
    hoarding = node(engine, tmp_path / "hoard")
    flooding = node(engine, tmp_path / "flood", cpu_share=0.2, cpu_budget=1000)
    spinner = Running(spinning.guest(forever("")))
    hoarder = Running(hoarding.guest(c(HOARDER)))
    flood = Running(flooding.guest(flooder()))
    workers = [node(engine, tmp_path / f"worker-{number}") for number in range(7)]
    running = [Running(worker.guest(c(WORKER))) for worker in workers]
    for worker, run in zip(workers, running, strict=True):
        assert run.end().kind is ExitKind.EXITED
        assert worker.services.count("tick") == TICKS
    assert hoarder.end().kind is ExitKind.OUT_OF_MEMORY
    assert spinner.alive
    assert flood.alive
    spinner.guest.stop(0)
    flood.guest.stop(0)
    assert spinner.end().kind is ExitKind.STOPPED
    assert flood.end().kind is ExitKind.STOPPED
    # A burst of ten seconds' worth, and the seconds that passed.
    assert flooding.services.count("flood") < 1000
    assert flood.guest.usage().dropped_lines > 0


SLEEPER = "#include <unistd.h>\nint main(void) { sleep(1000); return 0; }"
WAITER = wat(
    '(module (import "skerry_event" "wait" (func $wait (param i64 i32 i32) (result i32)))'
    '(memory (export "memory") 1) (func (export "_start")'
    "(loop (drop (call $wait (i64.const -1) (i32.const 0) (i32.const 32))) (br 0))))"
)


@pytest.mark.parametrize("grace", [0, 0.05])
@pytest.mark.parametrize("where", ["spinning", "slowed down", "sleeping", "waiting"])
def test_a_guest_that_will_not_end_is_interrupted_wherever_it_is(
    engine: Engine, tmp_path: Path, where: str, grace: float
):
    wasm = {
        "spinning": forever(""),
        "slowed down": forever(""),
        "sleeping": c(SLEEPER),
        "waiting": WAITER,
    }[where]
    share = 0.001 if where == "slowed down" else 1.0
    home = node(engine, tmp_path / "home", cpu_share=share, cpu_budget=1000, watchdog=1000)
    run = Running(home.guest(wasm))
    run.guest.stop(grace)
    end = run.end()
    assert end.kind is ExitKind.STOPPED
    assert "interrupted" in end.message


def test_a_stop_before_the_start_counts(engine: Engine, tmp_path: Path):
    guest = node(engine, tmp_path / "home").guest(WAITER)
    guest.stop(0)
    assert guest.run().kind is ExitKind.STOPPED
    guest.stop(0)
    guest.notify_twin(1)
    assert guest.usage().calls == 1


def test_an_engine_without_computing_guests_is_silent(engine: Engine, tmp_path: Path):
    home = node(engine, tmp_path / "home")
    script = Script()
    line = script.data(b"waiting")
    script.call("skerry_log.write", 6, *line)
    script.call("skerry_event.wait", -1, script.buffer(32), 32)
    run = Running(home.guest(script.module()))
    home.services.wait_for_line("waiting")
    assert engine.ticker.wait_until_silent(10)
    run.guest.stop(10)
    assert run.end().kind is ExitKind.STOPPED
