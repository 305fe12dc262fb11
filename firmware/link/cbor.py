"""A small CBOR (RFC 8949): integers, byte and text strings, arrays, maps, booleans, null, floats.

Writes the shortest heads and 64-bit floats; maps keep their order. Reads definite lengths and all
widths of floats; no tags, no indefinite lengths. Depth and size are bounded.
"""

import struct

from firmware.link.errors import MalformedError

DEPTH_LIMIT = 8
"""SMP nests three deep."""
_INT64 = 1 << 64
_UINT, _NINT, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
"""Major types, RFC 8949 section 3.1."""
_DIRECT = 24
"""Below it a head holds the number itself."""
_HALF_WIDTH, _SINGLE_WIDTH = 2, 4
_HALF_MAX_EXPONENT = 31
_VALUES = {20: False, 21: True, 22: None}
_WIDTH = {24: 1, 25: 2, 26: 4, 27: 8}


def encode(value: object) -> bytes:
    """Bytes of a value; TypeError for what has none here, ValueError for an integer over 64 bits."""
    out = bytearray()
    _write(out, value, DEPTH_LIMIT)
    return bytes(out)


def decode(data: bytes | bytearray | memoryview) -> object:
    """The one value that the bytes hold; MalformedError for anything else."""
    value, at = _read(memoryview(data), 0, DEPTH_LIMIT)
    if at != len(data):
        raise MalformedError("cbor: bytes after the value")
    return value


def _write(out: bytearray, value: object, depth: int) -> None:
    if depth < 0:
        raise ValueError("cbor: nested too deep")
    if isinstance(value, (list, tuple)):
        _head(out, _ARRAY, len(value))
        for item in value:
            _write(out, item, depth - 1)
    elif isinstance(value, dict):
        _head(out, _MAP, len(value))
        for key, item in value.items():
            _write(out, key, depth - 1)
            _write(out, item, depth - 1)
    else:
        _write_plain(out, value)


def _write_plain(out: bytearray, value: object) -> None:
    if value is None:
        out.append(0xF6)
    elif isinstance(value, bool):
        out.append(0xF5 if value else 0xF4)
    elif isinstance(value, int):
        _head(out, _NINT if value < 0 else _UINT, -1 - value if value < 0 else value)
    elif isinstance(value, float):
        out.append(0xFB)
        out += struct.pack(">d", value)
    elif isinstance(value, str):
        _string(out, _TEXT, value.encode())
    elif isinstance(value, (bytes, bytearray, memoryview)):
        _string(out, _BYTES, value)
    else:
        raise TypeError("cbor: no form for " + type(value).__name__)


def _string(out: bytearray, major: int, data: bytes | bytearray | memoryview) -> None:
    _head(out, major, len(data))
    out += data


def _head(out: bytearray, major: int, number: int) -> None:
    if number >= _INT64:
        raise ValueError("cbor: integer over 64 bits")
    top = major << 5
    if number < _DIRECT:
        out.append(top | number)
        return
    info, width = 24, 1
    while number >> (8 * width):
        info, width = info + 1, width * 2
    out.append(top | info)
    out += number.to_bytes(width, "big")


def _read(data: memoryview, at: int, depth: int) -> tuple[object, int]:
    if depth < 0:
        raise MalformedError("cbor: nested too deep")
    first, at = _byte(data, at)
    major, info = first >> 5, first & 31
    if major == _SIMPLE:
        return _read_simple(data, at, info)
    number, at = _number(data, at, info)
    if major in (_UINT, _NINT):
        return (number if major == _UINT else -1 - number), at
    if number > len(data) - at:
        raise MalformedError("cbor: longer than what there is")
    if major in (_BYTES, _TEXT):
        content = bytes(data[at : at + number])
        return (content if major == _BYTES else _text(content)), at + number
    if major == _TAG:
        raise MalformedError("cbor: a tag")
    return (_read_array if major == _ARRAY else _read_map)(data, at, number, depth)


def _text(content: bytes) -> str:
    try:
        return str(content, "utf-8")
    except ValueError:
        raise MalformedError("cbor: text that is not UTF-8") from None


def _read_array(data: memoryview, at: int, count: int, depth: int) -> tuple[object, int]:
    items = []
    for _ in range(count):
        item, at = _read(data, at, depth - 1)
        items.append(item)
    return items, at


def _read_map(data: memoryview, at: int, count: int, depth: int) -> tuple[object, int]:
    found = {}
    for _ in range(count):
        key, at = _read(data, at, depth - 1)
        if not isinstance(key, (str, int, bytes)):
            raise MalformedError("cbor: a key that is no text, number or byte string")
        if key in found:
            raise MalformedError("cbor: a key twice")
        found[key], at = _read(data, at, depth - 1)
    return found, at


def _read_simple(data: memoryview, at: int, info: int) -> tuple[object, int]:
    if info in _VALUES:
        return _VALUES[info], at
    if info not in (25, 26, 27):
        raise MalformedError("cbor: a simple value that is unknown here")
    width = _WIDTH[info]
    if width > len(data) - at:
        raise MalformedError("cbor: cut off")
    raw = bytes(data[at : at + width])
    if width == _HALF_WIDTH:
        return _half(int.from_bytes(raw, "big")), at + width
    return struct.unpack(">f" if width == _SINGLE_WIDTH else ">d", raw)[0], at + width


def _half(bits: int) -> float:
    """IEEE 754 binary16, RFC 8949 appendix D."""
    exponent, fraction = bits >> 10 & 31, bits & 1023
    if exponent == 0:
        value = fraction * 2.0**-24
    elif exponent == _HALF_MAX_EXPONENT:
        value = float("nan") if fraction else float("inf")
    else:
        value = (fraction + 1024) * 2.0 ** (exponent - 25)
    return -value if bits & 0x8000 else value


def _number(data: memoryview, at: int, info: int) -> tuple[int, int]:
    if info < _DIRECT:
        return info, at
    if info not in _WIDTH:
        raise MalformedError("cbor: an indefinite length")
    width = _WIDTH[info]
    if width > len(data) - at:
        raise MalformedError("cbor: cut off")
    return int.from_bytes(bytes(data[at : at + width]), "big"), at + width


def _byte(data: memoryview, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise MalformedError("cbor: cut off")
    return data[at], at + 1
