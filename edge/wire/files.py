"""The files of an app that a shared runtime runs, as one blob: a CBOR map from name to bytes.

One spelling for each set of files (RFC 8949 section 4.2: shortest lengths, keys in bytewise order),
so that equal files have equal digests. Names are relative, of plain characters, and none is `.`,
`..` or hidden; nobody unpacks them onto a disk all the same. docs/decisions/
2026-11-29-python-app-format.md says why it is no tar.
"""

import re
from collections.abc import Iterable, Mapping

from edge.wire import limits
from edge.wire.errors import DecodeError

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_NAME = re.compile(rf"{_PART}(/{_PART}){{0,{limits.FILE_DEPTH_LIMIT - 1}}}")
_BYTES, _TEXT, _MAP = 2, 3, 5
_DIRECT = 24
"""Lengths below this are in the first byte; 24 to 27 announce 1, 2, 4 or 8 more."""
_LONGEST = 27


def pack_files(files: Mapping[str, bytes]) -> bytes:
    """The blob of these files; DecodeError names the file that cannot be in one."""
    _check_names(files)
    named = sorted((_text(name), content) for name, content in files.items())
    body = b"".join(name + _head(_BYTES, len(content)) + content for name, content in named)
    packed = _head(_MAP, len(files)) + body
    _check_size(len(packed))
    return packed


def unpack_files(data: bytes) -> dict[str, bytes]:
    """The files of a blob; DecodeError unless `pack_files` could have made it."""
    _check_size(len(data))
    reader = _Reader(data)
    count = reader.head(_MAP)
    if not 1 <= count <= limits.FILES_COUNT_LIMIT:
        raise DecodeError(f"files: {count} of them, 1 to {limits.FILES_COUNT_LIMIT} are accepted")
    files: dict[str, bytes] = {}
    before = b""
    for _ in range(count):
        key, name = reader.name()
        if key <= before:
            raise DecodeError(f"files: {name!r} is not in order, or there twice")
        files[name] = reader.take(reader.head(_BYTES))
        before = key
    if not reader.at_end:
        raise DecodeError("files: bytes follow the last one")
    _check_names(files)
    return files


def _check_size(size: int) -> None:
    if size > limits.FILES_LIMIT:
        raise DecodeError(f"files: {size} bytes, at most {limits.FILES_LIMIT} are accepted")


def _check_names(names: Iterable[str]) -> None:
    known = set(names)
    if not 1 <= len(known) <= limits.FILES_COUNT_LIMIT:
        raise DecodeError(
            f"files: {len(known)} of them, 1 to {limits.FILES_COUNT_LIMIT} are accepted"
        )
    for name in known:
        if len(name) > limits.FILE_NAME_LIMIT or not _NAME.fullmatch(name):
            raise DecodeError(
                f"files: {name[: limits.FILE_NAME_LIMIT]!r} cannot be a name: letters, digits, "
                f"'_', '-' and '.', none hidden, at most {limits.FILE_DEPTH_LIMIT} parts and "
                f"{limits.FILE_NAME_LIMIT} characters"
            )
        for end, letter in enumerate(name):
            if letter == "/" and name[:end] in known:
                raise DecodeError(f"files: {name[:end]!r} is a file and a folder")


def _text(name: str) -> bytes:
    encoded = name.encode("ascii")
    return _head(_TEXT, len(encoded)) + encoded


def _head(major: int, value: int) -> bytes:
    if value < _DIRECT:
        return bytes([major << 5 | value])
    power = next(power for power in range(4) if value < 1 << (8 << power))
    return bytes([major << 5 | _DIRECT + power]) + value.to_bytes(1 << power)


class _Reader:
    """A cursor; DecodeError past the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at == len(self._data)

    def take(self, length: int) -> bytes:
        if length > len(self._data) - self._at:
            raise DecodeError("files: the blob ends in the middle of one")
        self._at += length
        return self._data[self._at - length : self._at]

    def head(self, major: int) -> int:
        first = self.take(1)[0]
        low = first & 31
        if first >> 5 != major or low > _LONGEST:
            raise DecodeError(f"files: byte {self._at - 1} begins something else than expected")
        value = low if low < _DIRECT else int.from_bytes(self.take(1 << (low - _DIRECT)))
        if _head(major, value)[0] != first:
            raise DecodeError(f"files: byte {self._at - 1} spells a length longer than need be")
        return value

    def name(self) -> tuple[bytes, str]:
        """The next name, as it is spelled and as text."""
        start = self._at
        raw = self.take(self.head(_TEXT))
        try:
            return self._data[start : self._at], raw.decode("ascii")
        except UnicodeDecodeError:
            raise DecodeError("files: a name is not of plain characters") from None
