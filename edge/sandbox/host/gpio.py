"""`skerry_gpio`: granted lines."""

from edge.sandbox.binding import HostFunction, HostModule
from edge.sandbox.run import Granted, Run
from edge.sandbox.setup import GpioGrant
from hal.gpio import Edge, Line


def _open(run: Run, name: int, length: int) -> int:
    grant_name, grant = run.claim(name, length, GpioGrant)
    if grant_name in run.outputs:
        return run.hold(run.lines, grant_name, run.outputs.pop(grant_name))
    with run.parking.block():
        handle = run.hold(run.lines, grant_name, grant.open())
    if _reports_edges(run, grant_name):
        run.events.watch_line(handle, run.lines[handle].thing)
    return handle


def _reports_edges(run: Run, grant: str) -> bool:
    wish = run.setup.manifest.grants[grant]
    return wish.direction == "in" and Edge(wish.edge) is not Edge.NONE


def _read(run: Run, handle: int) -> int:
    return int(run.lines[handle].thing.read())


def _write(run: Run, handle: int, value: int) -> int:
    run.lines[handle].thing.write(value=value != 0)
    return 0


def _close(run: Run, handle: int) -> int:
    granted: Granted[Line] = run.drop(run.lines, handle)
    if run.setup.manifest.grants[granted.grant].direction == "out":
        # It keeps its level until the app ends; opening the grant again takes it up as it is.
        run.outputs[granted.grant] = granted.thing
    else:
        granted.thing.close()
    return 0


MODULE = HostModule(
    "skerry_gpio",
    (
        HostFunction("open", "ii->i", _open),
        HostFunction("read", "i->i", _read),
        HostFunction("write", "ii->i", _write),
        HostFunction("close", "i->i", _close),
    ),
)
