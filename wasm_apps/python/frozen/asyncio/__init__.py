"""MicroPython's asyncio; only `run` differs: it knows when the node stops the app.

The other files of the package are MicroPython's own. Told to stop, the app's main task is
cancelled, then every other, so each `finally` runs; the app has ended well.
"""

import _skerry

from . import core
from .core import *

__version__ = (3, 0, 0)

_LATER = {
    "wait_for": "funcs",
    "wait_for_ms": "funcs",
    "gather": "funcs",
    "Event": "event",
    "ThreadSafeFlag": "event",
    "Lock": "lock",
    "open_connection": "stream",
    "start_server": "stream",
    "StreamReader": "stream",
    "StreamWriter": "stream",
}

stopping = None
"""What a task that waits to be told to stop awaits; see `skerry.stopping`."""


def __getattr__(name):
    where = _LATER.get(name)
    if where is None:
        raise AttributeError(name)
    found = getattr(__import__(where, None, None, True, 1), name)
    globals()[name] = found
    return found


async def _watch(main):
    yield core._io_queue.queue_read(_skerry.stop)
    if stopping is not None and stopping.waiting.peek():
        stopping.set()
    else:
        _watched.append(main)
        main.cancel()


_watched = []
"""The main task, once it was cancelled because the node stops the app."""


async def _awaited(what):
    return await what


def run(coro):
    """Run a coroutine, or what else can be awaited, until it returns; what it returned."""
    # What `sleep` gives is no coroutine here, as it is in CPython.
    main = create_task(coro if hasattr(coro, "send") else _awaited(coro))
    watch = create_task(_watch(main))
    try:
        return core.run_until_complete(main)
    except CancelledError:
        if main in _watched:
            raise SystemExit from None
        raise
    finally:
        watch.cancel()
        if _skerry.stop.take() is not None and not _watched and stopping is None:
            raise SystemExit
