"""`skerry_i2c`: granted devices on a bus. Nothing goes on the wire before every pointer is good."""

import struct

from edge.sandbox.binding import HostFunction, HostModule
from edge.sandbox.errnos import Errno
from edge.sandbox.errors import CallError
from edge.sandbox.run import Run
from edge.sandbox.setup import I2CGrant
from hal.i2c import MESSAGES_LIMIT, TRANSFER_LIMIT, Read, Write

_OPERATION = struct.Struct("<III")
_READ = 1


def _open(run: Run, name: int, length: int) -> int:
    grant_name, grant = run.claim(name, length, I2CGrant)
    with run.parking.block():
        return run.hold(run.devices, grant_name, grant.open())


def _message(run: Run, flags: int, pointer: int, length: int) -> Read | Write:
    """One checked message; a read has at least one byte, a write may only address the device."""
    if flags not in (0, _READ) or not flags <= length <= TRANSFER_LIMIT:
        raise CallError(Errno.INVAL)
    run.memory.check(pointer, length)
    return Read(length) if flags == _READ else Write(run.memory.read(pointer, length))


def _transfer(run: Run, handle: int, operations: list[tuple[int, int, int]]) -> None:
    device = run.devices[handle].thing
    messages = [_message(run, *operation) for operation in operations]
    with run.parking.block():
        replies = device.transfer(messages)
    targets = [pointer for flags, pointer, _ in operations if flags == _READ]
    for pointer, reply in zip(targets, replies, strict=True):
        run.memory.write(pointer, reply)


def _write(run: Run, handle: int, pointer: int, length: int) -> int:
    _transfer(run, handle, [(0, pointer, length)])
    return 0


def _read(run: Run, handle: int, pointer: int, length: int) -> int:
    _transfer(run, handle, [(_READ, pointer, length)])
    return length


def _write_read(run: Run, handle: int, pointer: int, length: int, target: int, wanted: int) -> int:
    _transfer(run, handle, [(0, pointer, length), (_READ, target, wanted)])
    return wanted


def _transaction(run: Run, handle: int, operations: int, count: int) -> int:
    if not 1 <= count <= MESSAGES_LIMIT:
        raise CallError(Errno.INVAL)
    raw = run.memory.read(operations, count * _OPERATION.size)
    _transfer(run, handle, list(_OPERATION.iter_unpack(raw)))
    return 0


def _close(run: Run, handle: int) -> int:
    run.drop(run.devices, handle).thing.close()
    return 0


MODULE = HostModule(
    "skerry_i2c",
    (
        HostFunction("open", "ii->i", _open),
        HostFunction("write", "iii->i", _write),
        HostFunction("read", "iii->i", _read),
        HostFunction("write_read", "iiiii->i", _write_read),
        HostFunction("transaction", "iii->i", _transaction),
        HostFunction("close", "i->i", _close),
    ),
)
