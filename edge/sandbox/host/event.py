"""`skerry_event`: the next thing, and clocks."""

from edge.sandbox.binding import HostFunction, HostModule
from edge.sandbox.errnos import Errno
from edge.sandbox.errors import CallError
from edge.sandbox.events import SIZE, Event, EventType
from edge.sandbox.loglines import WARNING
from edge.sandbox.run import Run
from hal import clock

_MS = 1000.0


def _wait(run: Run, timeout_ms: int, buffer: int, capacity: int) -> int:
    if capacity < SIZE:
        raise CallError(Errno.OVERFLOW)
    run.memory.check(buffer, SIZE)
    run.refill()
    event = _next(run, float("inf") if timeout_ms < 0 else clock.monotonic() + timeout_ms / _MS)
    if run.events.lost and run.log.line(WARNING, b"%d GPIO edges were dropped" % run.events.lost):
        run.events.lost = 0
    if event is None:
        return 0
    run.memory.write(buffer, event.encode())
    return 1


def _next(run: Run, until: float) -> Event | None:
    event = _ready(run, run.parking.look())
    while event is None and clock.monotonic() < until:
        event = _ready(run, run.parking.rest(until))
    return event


def _ready(run: Run, found: list[tuple[int, int]]) -> Event | None:
    now_ns = clock.monotonic_ns()
    stop_at = run.take_stop()
    if stop_at is not None:
        left_ms = max(0, int((stop_at - clock.monotonic()) * _MS))
        return Event(EventType.STOP, now_ns, value=left_ms)
    changes = run.take_twin_changes()
    if changes:
        return Event(EventType.TWIN, now_ns, value=changes)
    return run.events.take(found)


def _now_ns(_run: Run) -> int:
    return clock.wall_ns()


def _monotonic_ns(_run: Run) -> int:
    return clock.monotonic_ns()


MODULE = HostModule(
    "skerry_event",
    (
        HostFunction("wait", "Iii->i", _wait),
        HostFunction("now_ns", "->I", _now_ns),
        HostFunction("monotonic_ns", "->I", _monotonic_ns),
    ),
)
