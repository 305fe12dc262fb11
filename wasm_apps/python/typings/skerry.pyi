"""What an app may use, by the names in its app.toml. docs/python.md teaches it."""

from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypedDict, TypeVar, overload

from machine import I2C as i2c
from machine import UART as serial
from machine import Pin as gpio

__all__ = [
    "CLOSED", "EDGE", "READABLE", "STOP", "TWIN", "Event", "Record", "edges", "every", "gpio",
    "i2c", "kv", "log", "secret", "serial", "stopping", "telemetry", "twin", "wait",
]  # fmt: skip

_T = TypeVar("_T")
_Json: TypeAlias = float | bool | str
_Reading: TypeAlias = float | bool | str | bytes

STOP: Final = "stop"
TWIN: Final = "twin"
EDGE: Final = "edge"
READABLE: Final = "readable"
CLOSED: Final = "closed"

class Event(NamedTuple):
    """What `wait` tells."""

    type: Literal["stop", "twin", "edge", "readable", "closed"]
    source: gpio | serial | None
    value: int
    ms: int

Record = TypedDict(
    "Record",
    {
        "bn": str, "bt": float, "bu": str, "bv": float, "bs": float, "bver": int,
        "n": str, "u": str, "v": float, "vs": str, "vb": bool, "vd": bytes,
        "s": float, "t": float, "ut": float,
    },
    total=False,
)  # fmt: skip
"""A record of SenML (RFC 8428, section 4)."""

@overload
def wait() -> Event: ...
@overload
def wait(timeout_ms: int) -> Event | None: ...
def secret(name: str) -> bytes: ...
def stopping() -> Awaitable[bool]: ...

class _Log:
    def debug(self, text: object, *arguments: object) -> None: ...
    def info(self, text: object, *arguments: object) -> None: ...
    def warning(self, text: object, *arguments: object) -> None: ...
    def error(self, text: object, *arguments: object) -> None: ...

class _Telemetry:
    def publish(
        self,
        stream: str,
        what: _Reading | Mapping[str, _Reading] | list[Record] | tuple[Record, ...],
        unit: str | None = None,
    ) -> int: ...
    def flush(self, timeout_ms: int = -1) -> None: ...

class _Twin:
    def __getitem__(self, name: str) -> Any: ...  # its type is app.toml's
    def get(self, name: str, default: object = None) -> Any: ...
    def report(self, name: str, value: _Json) -> None: ...
    async def changed(self) -> int: ...

class _Kv:
    def __getitem__(self, key: str) -> bytes: ...
    @overload
    def get(self, key: str) -> bytes | None: ...
    @overload
    def get(self, key: str, default: _T) -> bytes | _T: ...
    def __setitem__(self, key: str, value: str | bytes) -> None: ...
    def __delitem__(self, key: str) -> None: ...
    def __contains__(self, key: str) -> bool: ...
    def keys(self, prefix: str = "") -> list[str]: ...

class edges(AsyncIterator[tuple[int, int]]):
    def __init__(self, pin: gpio) -> None: ...
    async def __anext__(self) -> tuple[int, int]: ...

class every(AsyncIterator[None]):
    def __init__(self, seconds: float) -> None: ...
    async def __anext__(self) -> None: ...

log: _Log
telemetry: _Telemetry
twin: _Twin
kv: _Kv
