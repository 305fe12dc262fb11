"""`skerry_serial`: granted ports."""

from edge.sandbox.binding import HostFunction, HostModule
from edge.sandbox.run import Run
from edge.sandbox.setup import SerialGrant
from hal.errors import BusError
from hal.serial import READ_LIMIT

_SIGN = 1 << 31


def _open(run: Run, name: int, length: int) -> int:
    grant_name, grant = run.claim(name, length, SerialGrant)
    with run.parking.block():
        handle = run.hold(run.ports, grant_name, grant.open())
    run.events.watch_port(handle, run.ports[handle].thing)
    return handle


def _read(run: Run, handle: int, pointer: int, capacity: int) -> int:
    port = run.ports[handle].thing
    wanted = min(capacity, READ_LIMIT)
    run.memory.check(pointer, wanted)
    if not wanted:
        return 0
    try:
        data = port.read(wanted)
    except BusError:
        run.events.port_gone(handle)
        raise
    run.memory.write(pointer, data)
    return len(data)


def _write(run: Run, handle: int, pointer: int, length: int, timeout_ms: int) -> int:
    port = run.ports[handle].thing
    data = run.memory.read(pointer, min(length, READ_LIMIT))
    timeout = float("inf") if timeout_ms & _SIGN else timeout_ms / 1000
    taken = 0
    if not timeout:
        return port.write(data, 0)
    for slice_seconds in run.parking.slices(timeout):
        with run.parking.block():
            taken += port.write(data[taken:], slice_seconds)
        if taken == len(data):
            break
    return taken


def _close(run: Run, handle: int) -> int:
    run.drop(run.ports, handle).thing.close()
    return 0


MODULE = HostModule(
    "skerry_serial",
    (
        HostFunction("open", "ii->i", _open),
        HostFunction("read", "iii->i", _read),
        HostFunction("write", "iiii->i", _write),
        HostFunction("close", "i->i", _close),
    ),
)
