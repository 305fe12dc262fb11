"""`skerry_telemetry`: readings, as SenML packs."""

from edge.sandbox import senml
from edge.sandbox.binding import HostFunction, HostModule
from edge.sandbox.errnos import Errno
from edge.sandbox.errors import AgainError, CallError
from edge.sandbox.loglines import WARNING
from edge.sandbox.run import NAME_LIMIT, Run
from edge.wire.limits import PACK_LIMIT
from hal import clock


def _open(run: Run, name: int, length: int) -> int:
    stream = run.memory.text(name, length, NAME_LIMIT)
    if stream not in run.setup.manifest.telemetry:
        raise CallError(Errno.NOENT)
    for handle, opened in run.streams.items():
        if opened == stream:
            return handle
    return run.streams.add(stream)


def _publish(run: Run, handle: int, pointer: int, length: int) -> int:
    stream = run.streams[handle]
    if length > PACK_LIMIT:
        raise CallError(Errno.INVAL)
    pack = run.memory.read(pointer, length)
    try:
        records = senml.check(pack, stream)
    except senml.InvalidPackError as error:
        run.log.line(WARNING, f"telemetry {stream}: refused: {error}".encode())
        raise CallError(Errno.INVAL) from None
    if not run.records.take(records, clock.monotonic()):
        run.dropped_records += records
        raise CallError(Errno.AGAIN)
    try:
        with run.parking.block():
            run.setup.services.publish(stream, pack, records)
    except AgainError:
        run.dropped_records += records
        raise
    return records


def _flush(run: Run, timeout_ms: int) -> int:
    services = run.setup.services
    if timeout_ms == 0 and services.flush(0):
        return 0
    for slice_seconds in run.parking.slices(float("inf") if timeout_ms < 0 else timeout_ms / 1000):
        with run.parking.block():
            done = services.flush(slice_seconds)
        if done:
            return 0
    raise CallError(Errno.TIMEDOUT)


MODULE = HostModule(
    "skerry_telemetry",
    (
        HostFunction("open", "ii->i", _open),
        HostFunction("publish", "iii->i", _publish),
        HostFunction("flush", "I->i", _flush),
    ),
)
