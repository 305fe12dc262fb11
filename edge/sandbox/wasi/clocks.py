"""Clocks, and sleeping on them. A sleep can always be ended by the node."""

import struct
from dataclasses import dataclass

from edge.sandbox.binding import HostFunction
from edge.sandbox.errnos import Errno
from edge.sandbox.errors import CallError
from edge.sandbox.run import Run
from hal import clock

REALTIME, MONOTONIC, PROCESS_CPU, THREAD_CPU = range(4)
RESOLUTION_NS = 1
SUBSCRIPTIONS_LIMIT = 64
"""In one poll_oneoff: a guest has at most a few descriptors and one sensible timer."""

_SUBSCRIPTION = struct.Struct("<QB7xI4xQQH6x")
"""userdata, tag, then for a clock: id, timeout, precision, flags; for a descriptor: fd."""
_EVENT = struct.Struct("<QHB5xQH6x")
_CLOCK, _FD_READ, _FD_WRITE = range(3)
_ABSOLUTE = 1
_NS = 1_000_000_000


def _now(run: Run, clock_id: int) -> int:
    if clock_id == REALTIME:
        return clock.wall_ns()
    if clock_id == MONOTONIC:
        return clock.monotonic_ns()
    if clock_id in (PROCESS_CPU, THREAD_CPU):
        run.meter.charge(clock.thread_cpu(), clock.monotonic())
        return int(run.meter.used * _NS)
    raise CallError(Errno.INVAL)


def _clock_res_get(run: Run, clock_id: int, result: int) -> int:
    _now(run, clock_id)
    run.memory.put_u64(result, RESOLUTION_NS)
    return 0


def _clock_time_get(run: Run, clock_id: int, _precision: int, result: int) -> int:
    run.memory.put_u64(result, _now(run, clock_id))
    return 0


@dataclass(frozen=True, slots=True)
class _Ready:
    userdata: int
    tag: int
    error: int = 0
    bytes_ready: int = 0

    def encode(self) -> bytes:
        return _EVENT.pack(self.userdata, self.error, self.tag, self.bytes_ready, 0)


def _poll_oneoff(run: Run, subscriptions: int, events: int, count: int, stored: int) -> int:
    """Descriptors are always ready (files and the log never block), so clocks wait alone."""
    if not 1 <= count <= SUBSCRIPTIONS_LIMIT:
        raise CallError(Errno.INVAL)
    raw = run.memory.read(subscriptions, count * _SUBSCRIPTION.size)
    run.memory.check(events, count * _EVENT.size)
    run.memory.check(stored, 4)
    ready: list[_Ready] = []
    timers: list[tuple[float, _Ready]] = []
    for userdata, tag, ident, timeout, _, flags in _SUBSCRIPTION.iter_unpack(raw):
        if tag == _CLOCK:
            _add_timer(run, timers, ready, (userdata, ident, timeout, flags))
        elif tag in (_FD_READ, _FD_WRITE):
            known = run.descriptors.is_standard(ident) or run.descriptors.has(ident)
            ready.append(_Ready(userdata, tag, 0 if known else Errno.BADF, 0))
        else:
            raise CallError(Errno.INVAL)
    if not ready and timers:
        first = min(delay for delay, _ in timers)
        run.parking.sleep(first)
        ready = [event for delay, event in timers if delay <= first]
    elif timers:
        ready += [event for delay, event in timers if delay <= 0]
    run.memory.write(events, b"".join(event.encode() for event in ready))
    run.memory.put_u32(stored, len(ready))
    return 0


def _add_timer(
    run: Run,
    timers: list[tuple[float, _Ready]],
    ready: list[_Ready],
    wish: tuple[int, int, int, int],
) -> None:
    userdata, clock_id, timeout, flags = wish
    if clock_id not in (REALTIME, MONOTONIC):
        ready.append(_Ready(userdata, _CLOCK, Errno.NOTSUP))
        return
    left = timeout - _now(run, clock_id) if flags & _ABSOLUTE else timeout
    timers.append((max(0, left) / _NS, _Ready(userdata, _CLOCK)))


FUNCTIONS = (
    HostFunction("clock_res_get", "ii->i", _clock_res_get),
    HostFunction("clock_time_get", "iIi->i", _clock_time_get),
    HostFunction("poll_oneoff", "iiii->i", _poll_oneoff),
)
