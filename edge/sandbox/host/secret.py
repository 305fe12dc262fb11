"""`skerry_secret`: values the operator grants, opened when they are read; there is no writing."""

from edge.sandbox.binding import HostFunction, HostModule
from edge.sandbox.errnos import Errno
from edge.sandbox.errors import CallError
from edge.sandbox.run import Run

NAME_LIMIT = 63
"""Bytes of a grant's name."""


def _get(run: Run, name: int, name_length: int, buffer: int, capacity: int) -> int:
    opener = run.setup.secrets.get(run.memory.text(name, name_length, NAME_LIMIT))
    if opener is None:
        raise CallError(Errno.NOENT)
    with run.parking.block():
        value = opener()
    return run.memory.fill(buffer, capacity, value)


MODULE = HostModule("skerry_secret", (HostFunction("get", "iiii->i", _get),))
