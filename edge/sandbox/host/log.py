"""`skerry_log`: lines for a person."""

from edge.sandbox.binding import HostFunction, HostModule
from edge.sandbox.errnos import Errno
from edge.sandbox.errors import CallError
from edge.sandbox.run import Run
from edge.wire.limits import LOG_LINE_LIMIT

_DEBUG = 7


def _write(run: Run, level: int, pointer: int, length: int) -> int:
    if level > _DEBUG:
        raise CallError(Errno.INVAL)
    line = run.memory.read(pointer, min(length, LOG_LINE_LIMIT))
    if not run.log.line(level, line.rstrip(b"\r\n")):
        raise CallError(Errno.AGAIN)
    return 0


MODULE = HostModule("skerry_log", (HostFunction("write", "iii->i", _write),))
