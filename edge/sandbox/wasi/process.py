"""Arguments, environment, randomness and the end of a process; sockets, which there are not."""

import os

from edge.sandbox.binding import HostFunction
from edge.sandbox.errnos import Errno
from edge.sandbox.errors import CallError, GuestEndError
from edge.sandbox.exits import Exit, ExitKind
from edge.sandbox.run import Run

_RANDOM_CHUNK = 64 << 10
"""Bytes of randomness made at a time: bounds the host's copy, not the guest's wish."""


def _arguments(run: Run) -> bytes:
    return run.setup.name.encode() + b"\0"


def _args_sizes_get(run: Run, count: int, size: int) -> int:
    run.memory.put_u32(count, 1)
    run.memory.put_u32(size, len(_arguments(run)))
    return 0


def _args_get(run: Run, pointers: int, buffer: int) -> int:
    run.memory.put_u32(pointers, buffer)
    run.memory.write(buffer, _arguments(run))
    return 0


def _environ_sizes_get(run: Run, count: int, size: int) -> int:
    run.memory.put_u32(count, 0)
    run.memory.put_u32(size, 0)
    return 0


def _environ_get(_run: Run, _pointers: int, _buffer: int) -> int:
    return 0


def _random_get(run: Run, buffer: int, length: int) -> int:
    run.memory.check(buffer, length)
    for done in range(0, length, _RANDOM_CHUNK):
        run.memory.write(buffer + done, os.urandom(min(_RANDOM_CHUNK, length - done)))
    return 0


def _proc_exit(_run: Run, code: int) -> None:
    raise GuestEndError(Exit(ExitKind.EXITED, code=code))


def _sched_yield(_run: Run) -> int:
    os.sched_yield()
    return 0


def _absent(_run: Run, *_arguments: int) -> int:
    raise CallError(Errno.NOTSUP)


FUNCTIONS = (
    HostFunction("args_sizes_get", "ii->i", _args_sizes_get),
    HostFunction("args_get", "ii->i", _args_get),
    HostFunction("environ_sizes_get", "ii->i", _environ_sizes_get),
    HostFunction("environ_get", "ii->i", _environ_get),
    HostFunction("random_get", "ii->i", _random_get),
    HostFunction("proc_exit", "i->", _proc_exit),
    HostFunction("proc_raise", "i->i", _absent),
    HostFunction("sched_yield", "->i", _sched_yield),
    HostFunction("sock_accept", "iii->i", _absent),
    HostFunction("sock_recv", "iiiiii->i", _absent),
    HostFunction("sock_send", "iiiii->i", _absent),
    HostFunction("sock_shutdown", "ii->i", _absent),
)
