"""`skerry_twin`: values shared with the cloud."""

import json
import math

from edge.sandbox.binding import HostFunction, HostModule
from edge.sandbox.errnos import Errno
from edge.sandbox.errors import CallError
from edge.sandbox.run import NAME_LIMIT, Run
from edge.sandbox.services import Value
from edge.wire.manifest import TwinProperty, TwinType

REPORT_LIMIT = 1024
"""Bytes of a reported value as JSON."""
NUMBER_LIMIT = 1 << 63
"""Numbers stay below it, either way; CBOR and databases carry no longer integers."""


def _property(run: Run, name: int, length: int) -> tuple[str, TwinProperty]:
    key = run.memory.text(name, length, NAME_LIMIT)
    prop = run.setup.manifest.twin.get(key)
    if prop is None:
        raise CallError(Errno.NOENT)
    return key, prop


def _get(run: Run, name: int, length: int, buffer: int, capacity: int) -> int:
    key, prop = _property(run, name, length)
    value = run.setup.services.twin_get(key)
    if value is None:
        if prop.default is None:
            raise CallError(Errno.NOENT)
        value = json.dumps(prop.default).encode()
    return run.memory.fill(buffer, capacity, value)


def _report(run: Run, name: int, length: int, pointer: int, json_length: int) -> int:
    key, prop = _property(run, name, length)
    if json_length > REPORT_LIMIT:
        raise CallError(Errno.INVAL)
    try:
        value = _fitting(json.loads(run.memory.read(pointer, json_length)), prop)
    except (ValueError, RecursionError):
        raise CallError(Errno.INVAL) from None
    run.setup.services.twin_report(key, value)
    return 0


def _fitting(value: object, prop: TwinProperty) -> Value:
    """The value if the property can have it; ValueError otherwise."""
    if isinstance(value, bool):
        if prop.type is TwinType.BOOLEAN:
            return value
    elif isinstance(value, str):
        if prop.type is TwinType.STRING:
            return value
    elif isinstance(value, int | float) and abs(value) < NUMBER_LIMIT:
        low = -math.inf if prop.min is None else prop.min
        high = math.inf if prop.max is None else prop.max
        whole = isinstance(value, int)
        fits = prop.type is TwinType.NUMBER or (prop.type is TwinType.INTEGER and whole)
        if fits and low <= value <= high:
            return value
    raise ValueError(f"not a {prop.type.value} within the property's bounds")


MODULE = HostModule(
    "skerry_twin",
    (
        HostFunction("get", "iiii->i", _get),
        HostFunction("report", "iiii->i", _report),
    ),
)
