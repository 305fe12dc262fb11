"""What a built module imports and exports, read from its bytes (WebAssembly core spec 2, 5.5)."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from wasm_apps.tool.errors import ModuleError

_MAGIC = b"\0asm\x01\0\0\0"
_IMPORTS, _EXPORTS = 2, 7
_LEB_LIMIT = 5
"""Bytes of a 32-bit LEB128 number."""


class Kind(IntEnum):
    """What an import or export is."""

    FUNCTION = 0
    TABLE = 1
    MEMORY = 2
    GLOBAL = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """A module from outside."""

    imports: tuple[str, ...]
    """Names of the modules it imports from, each once."""
    exports: dict[str, Kind]


def read_shape(data: bytes) -> Shape:
    """Imports and exports of a module; ModuleError when the bytes are not one."""
    if not data.startswith(_MAGIC):
        raise ModuleError("not a WebAssembly module of version 1")
    imports: dict[str, None] = {}
    exports: dict[str, Kind] = {}
    try:
        for section, body in _sections(data):
            if section == _IMPORTS:
                for _ in range(body.number()):
                    imports[body.text()] = None
                    body.text()
                    body.skip_import_type()
            elif section == _EXPORTS:
                for _ in range(body.number()):
                    name = body.text()
                    exports[name] = Kind(body.byte())
                    body.number()
    except (IndexError, ValueError) as fault:
        raise ModuleError("the WebAssembly module is damaged") from fault
    return Shape(tuple(imports), exports)


def check_runs_on_a_node(data: bytes) -> None:
    """ModuleError unless the module is a command that a node accepts."""
    shape = read_shape(data)
    for name, kind in (("_start", Kind.FUNCTION), ("memory", Kind.MEMORY)):
        if shape.exports.get(name) is not kind:
            raise ModuleError(
                f"the module exports no {kind.name.lower()} `{name}`: does the app have a `main`?"
            )
    for module in shape.imports:
        if module != "wasi_snapshot_preview1" and not module.startswith("skerry_"):
            raise ModuleError(
                f"the module imports from `{module}`, which no node offers: "
                "is a function declared that nothing defines?"
            )


class _Bytes:
    """A cursor; IndexError past the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def number(self) -> int:
        value = 0
        for position in range(_LEB_LIMIT):
            byte = self.byte()
            value |= (byte & 0x7F) << (7 * position)
            if byte < 0x80:  # noqa: PLR2004 - the continuation bit
                return value
        raise ValueError("number too long")

    def take(self, length: int) -> bytes:
        self._at += length
        if self._at > len(self._data):
            raise IndexError
        return self._data[self._at - length : self._at]

    def text(self) -> str:
        return self.take(self.number()).decode()

    def more(self) -> bool:
        return self._at < len(self._data)

    def skip_import_type(self) -> None:
        kind = Kind(self.byte())
        if kind is Kind.GLOBAL:
            self.take(2)
        elif kind is Kind.FUNCTION:
            self.number()
        else:
            if kind is Kind.TABLE:
                self.byte()
            has_maximum = self.number() & 1
            for _ in range(1 + has_maximum):
                self.number()


def _sections(data: bytes) -> Iterator[tuple[int, _Bytes]]:
    whole = _Bytes(data[len(_MAGIC) :])
    while whole.more():
        section = whole.byte()
        yield section, _Bytes(whole.take(whole.number()))
