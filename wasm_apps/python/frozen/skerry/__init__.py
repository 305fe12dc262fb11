"""What an app may use, by the names in its app.toml. docs/python.md teaches it.

Errors of the node are OSError with a number of `errno`: EPERM was not granted, ENODEV did not
answer, EAGAIN is over a limit.
"""

import json
from collections import namedtuple
from errno import ENOENT

import _skerry
import machine

gpio, i2c, serial = machine.Pin, machine.I2C, machine.UART

Event = namedtuple("Event", ("type", "source", "value", "ms"))
"""What `wait` tells: `type` is one of the names below, `ms` monotonic milliseconds."""
STOP, TWIN, EDGE, READABLE, CLOSED = "stop", "twin", "edge", "readable", "closed"
_TYPES = (None, STOP, TWIN, EDGE, READABLE, CLOSED)


def wait(timeout_ms=-1):
    """The next event; None when the time passed first. -1 waits for ever."""
    told = _skerry.wait(timeout_ms)
    return told and Event(_TYPES[told[0]], *told[1:])


def secret(name):
    """The bytes that the operator granted under this name; OSError ENOENT when none."""
    return _skerry.secret(name)


def _found(get, name):
    """What the node has under a name, None when nothing."""
    try:
        return get(name)
    except OSError as fault:
        if fault.errno != ENOENT:
            raise
        return None


class _Log:
    """Lines for a person; arguments go into the text as with `%`."""

    def debug(self, text, *arguments):
        self._write(7, text, arguments)

    def info(self, text, *arguments):
        self._write(6, text, arguments)

    def warning(self, text, *arguments):
        self._write(4, text, arguments)

    def error(self, text, *arguments):
        self._write(3, text, arguments)

    def _write(self, level, text, arguments):
        _skerry.log(level, str(text) % arguments if arguments else str(text))


class _Telemetry:
    """Readings; they reach the cloud even if that takes days."""

    def publish(self, stream, what, unit=None):
        """Publish one reading, a dict of readings by name, or a list of SenML records.

        How many records that were. OSError EAGAIN when over the app's rate.
        """
        return _skerry.publish(stream, what, unit)

    def flush(self, timeout_ms=-1):
        """Wait until all that was published is on disk."""
        _skerry.flush(timeout_ms)


class _Twin:
    """Values shared with the cloud, by their names in app.toml."""

    def __getitem__(self, name):
        value = _found(_skerry.twin_get, name)
        if value is None:
            raise KeyError(name)
        return json.loads(value)

    def get(self, name, default=None):
        """The desired value, `default` when there is none."""
        value = _found(_skerry.twin_get, name)
        return default if value is None else json.loads(value)

    def report(self, name, value):
        """Tell the cloud which value is in force."""
        _skerry.twin_report(name, json.dumps(value))

    # async
    def changed(self):
        """Wait until desired values have changed; how many."""
        from asyncio import core

        yield core._io_queue.queue_read(_skerry.twin)
        return _skerry.twin.take()


class _Kv:
    """Small values that survive restarts: text or bytes in, bytes out."""

    def __getitem__(self, key):
        value = _found(_skerry.kv_get, key)
        if value is None:
            raise KeyError(key)
        return value

    def get(self, key, default=None):
        """The value, `default` when there is none."""
        value = _found(_skerry.kv_get, key)
        return default if value is None else value

    def __setitem__(self, key, value):
        _skerry.kv_set(key, value)

    def __delitem__(self, key):
        try:
            _skerry.kv_delete(key)
        except OSError as fault:
            if fault.errno == ENOENT:
                raise KeyError(key) from fault
            raise

    def __contains__(self, key):
        return self.get(key) is not None

    def keys(self, prefix=""):
        """Keys that begin so, sorted."""
        return [key.decode() for key in _skerry.kv_keys(prefix).split(b"\0")[:-1]]


def __getattr__(name):
    # asyncio is only there for apps that use it.
    if name not in ("edges", "every", "stopping"):
        raise AttributeError(name)
    return getattr(__import__("waiting", None, None, True, 1), name)


log = _Log()
telemetry = _Telemetry()
twin = _Twin()
kv = _Kv()
