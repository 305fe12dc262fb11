"""CBOR with one spelling for each value (RFC 8949 section 4.2), so that equal means equal bytes.

No tags, no indefinite lengths, no duplicate keys, no floats. cbor2 sorts keys by length first; in
maps whose keys are all text, or all small integers, that is the order of section 4.2.1 too, and
there are no others here.
"""

from io import BytesIO
from typing import Any, NoReturn, TypeVar

import cbor2
import msgspec

from edge.trust.errors import MalformedError

T = TypeVar("T")

NESTING_LIMIT = 6
"""Depth of CBOR nesting accepted; a root needs 5."""


class _NoTags(dict[int, Any]):
    def __missing__(self, tag: int) -> NoReturn:
        raise ValueError(f"tag {tag} is not allowed")


_NO_TAGS = _NoTags()


def encode(value: object) -> bytes:
    """The one encoding of a value of maps, lists, bytes, text and integers."""
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes, what: str, limit: int) -> Any:
    """The value; MalformedError when it is none, longer than `limit`, or spelled another way."""
    if len(data) > limit:
        raise MalformedError(f"{what}: {len(data)} bytes, at most {limit} are read")
    stream = BytesIO(data)
    try:
        value = cbor2.CBORDecoder(
            stream,
            semantic_decoders=_NO_TAGS,
            max_depth=NESTING_LIMIT,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        ).decode()
    except (cbor2.CBORDecodeError, TypeError) as error:
        raise MalformedError(f"{what}: not CBOR: {error}") from error
    if stream.tell() != len(data) or encode(value) != data:
        raise MalformedError(f"{what}: not in deterministic encoding, or bytes follow it")
    return value


def encode_struct(value: msgspec.Struct) -> bytes:
    """A Struct as a map of its fields."""
    return encode(msgspec.to_builtins(value, builtin_types=(bytes,)))


def decode_struct(data: bytes, kind: type[T], what: str, limit: int) -> T:
    """The inverse; MalformedError names the field."""
    try:
        return msgspec.convert(decode(data, what, limit), kind, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise MalformedError(f"{what}: {error}") from error
