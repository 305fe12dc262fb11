"""`skerry_kv`: small values that survive restarts and power cuts."""

from edge.sandbox.binding import HostFunction, HostModule
from edge.sandbox.errnos import Errno
from edge.sandbox.errors import CallError
from edge.sandbox.run import Run

KEY_LIMIT = 128
"""Bytes of a key, UTF-8; LMDB's own limit is 511 with the app's name before it."""
VALUE_LIMIT = 16 << 10
"""Bytes of a value; larger things belong into files."""


def _key(run: Run, pointer: int, length: int) -> str:
    return run.memory.text(pointer, length, KEY_LIMIT)


def _get(run: Run, key: int, key_length: int, buffer: int, capacity: int) -> int:
    value = run.setup.services.kv_get(_key(run, key, key_length))
    if value is None:
        raise CallError(Errno.NOENT)
    return run.memory.fill(buffer, capacity, value)


def _set(run: Run, key: int, key_length: int, pointer: int, length: int) -> int:
    services = run.setup.services
    name = _key(run, key, key_length)
    if length > VALUE_LIMIT:
        raise CallError(Errno.INVAL)
    value = run.memory.read(pointer, length)
    old = services.kv_get(name)
    run.descriptors.quota.room_for(length - len(old) if old is not None else key_length + length)
    with run.parking.block():
        services.kv_set(name, value)
    return 0


def _delete(run: Run, key: int, key_length: int) -> int:
    name = _key(run, key, key_length)
    with run.parking.block():
        deleted = run.setup.services.kv_delete(name)
    if not deleted:
        raise CallError(Errno.NOENT)
    return 0


def _keys(run: Run, prefix: int, prefix_length: int, buffer: int, capacity: int) -> int:
    start = _key(run, prefix, prefix_length) if prefix_length else ""
    names = run.setup.services.kv_keys(start)
    return run.memory.fill(buffer, capacity, b"".join(name.encode() + b"\0" for name in names))


MODULE = HostModule(
    "skerry_kv",
    (
        HostFunction("get", "iiii->i", _get),
        HostFunction("set", "iiii->i", _set),
        HostFunction("delete", "ii->i", _delete),
        HostFunction("keys", "iiii->i", _keys),
    ),
)
