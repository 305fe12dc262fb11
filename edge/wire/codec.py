"""Bytes of a message: one CBOR map (RFC 8949) without tags, indefinite lengths or duplicate keys.

Size is checked before decoding, depth while decoding, every field after it; nothing reaches the
caller that does not fit its Struct. The same rules hold for the specs and statuses inside.
"""

from io import BytesIO
from typing import Any, NoReturn, TypeVar, get_args

import cbor2
import msgspec

from edge.wire import limits
from edge.wire.errors import DecodeError, FrameTooLargeError, LocalError, UnknownMessageError
from edge.wire.firmware import AttachedStatus, DesiredFirmware, FirmwareStatus
from edge.wire.messages import (
    AppStatus,
    BootStatus,
    DesiredApp,
    DownMessage,
    Gap,
    Message,
    UpMessage,
)

T = TypeVar("T")


def encode(message: Message) -> bytes:
    """The frame of `message`; LocalError when it is longer than FRAME_LIMIT."""
    data = _pack(message)
    if len(data) > limits.FRAME_LIMIT:
        name = type(message).__name__
        raise LocalError(f"{name}: {len(data)} bytes exceed a frame's {limits.FRAME_LIMIT}")
    return data


def decode_up(data: bytes) -> UpMessage:
    """A message from a node; PeerError when it is none."""
    message: UpMessage = _decode_frame(data, UpMessage)
    return message


def decode_down(data: bytes) -> DownMessage:
    """A message from the cloud; PeerError when it is none."""
    message: DownMessage = _decode_frame(data, DownMessage)
    return message


def encode_app_spec(spec: DesiredApp) -> bytes:
    """`DesiredItem.spec` of kind `app`; LocalError past SPEC_LIMIT."""
    return _pack_inner(spec)


def decode_app_spec(data: bytes) -> DesiredApp:
    """The inverse of `encode_app_spec`; DecodeError names the field."""
    return _unpack_inner(data, DesiredApp)


def encode_app_status(status: AppStatus) -> bytes:
    """`StatusItem.status` of kind `app`; LocalError past SPEC_LIMIT."""
    return _pack_inner(status)


def decode_app_status(data: bytes) -> AppStatus:
    """The inverse of `encode_app_status`; DecodeError names the field."""
    return _unpack_inner(data, AppStatus)


def encode_boot_status(status: BootStatus) -> bytes:
    """`StatusItem.status` of kind `boot`."""
    return _pack_inner(status)


def decode_boot_status(data: bytes) -> BootStatus:
    """The inverse of `encode_boot_status`; DecodeError names the field."""
    return _unpack_inner(data, BootStatus)


def encode_firmware_spec(spec: DesiredFirmware) -> bytes:
    """`DesiredItem.spec` of kind `firmware`; LocalError past SPEC_LIMIT."""
    return _pack_inner(spec)


def decode_firmware_spec(data: bytes) -> DesiredFirmware:
    """The inverse of `encode_firmware_spec`; DecodeError names the field."""
    return _unpack_inner(data, DesiredFirmware)


def encode_firmware_status(status: FirmwareStatus) -> bytes:
    """`StatusItem.status` of kind `firmware`."""
    return _pack_inner(status)


def decode_firmware_status(data: bytes) -> FirmwareStatus:
    """The inverse; it also reads what a node says that knows no firmware: Failed, Unsupported."""
    return _unpack_inner(data, FirmwareStatus)


def encode_attached(status: AttachedStatus) -> bytes:
    """`StatusItem.status` of kind `microcontrollers`."""
    return _pack_inner(status)


def decode_attached(data: bytes) -> AttachedStatus:
    """The inverse of `encode_attached`; DecodeError names the field."""
    return _unpack_inner(data, AttachedStatus)


def encode_gap(gap: Gap) -> bytes:
    """`Entry.payload` of kind `gap`."""
    return _pack_inner(gap)


def decode_gap(data: bytes) -> Gap:
    """The inverse of `encode_gap`; DecodeError names the field."""
    return _unpack_inner(data, Gap)


class _NoTags(dict[int, Any]):
    """Refuses each semantic tag: sharing tags (28, 29, 25, 256) could make a small frame huge."""

    def __missing__(self, tag: int) -> NoReturn:
        raise ValueError(f"tag {tag} is not allowed")


_NO_TAGS = _NoTags()
_TAGS = frozenset(
    kind.__struct_config__.tag for kind in {*get_args(UpMessage), *get_args(DownMessage)}
)


def _pack(value: object) -> bytes:
    return cbor2.dumps(msgspec.to_builtins(value, builtin_types=(bytes,)))


def _pack_inner(value: object) -> bytes:
    data = _pack(value)
    if len(data) > limits.SPEC_LIMIT:
        name = type(value).__name__
        raise LocalError(f"{name}: {len(data)} bytes exceed {limits.SPEC_LIMIT}")
    return data


def _unpack_inner(data: bytes, kind: type[T]) -> T:
    if len(data) > limits.SPEC_LIMIT:
        raise FrameTooLargeError(
            f"{kind.__name__}: {len(data)} bytes, at most {limits.SPEC_LIMIT} are accepted"
        )
    return _convert(_load(data, kind.__name__), kind, kind.__name__)


def _decode_frame(data: bytes, kind: Any) -> Any:
    if len(data) > limits.FRAME_LIMIT:
        raise FrameTooLargeError(
            f"a frame of {len(data)} bytes, at most {limits.FRAME_LIMIT} are accepted"
        )
    raw = _load(data, "message")
    tag = raw.get("t") if isinstance(raw, dict) else None
    if isinstance(tag, str) and tag not in _TAGS:
        raise UnknownMessageError(f"message.t: unknown kind {tag[:64]!r}")
    return _convert(raw, kind, tag if isinstance(tag, str) else "message")


def _load(data: bytes, what: str) -> Any:
    stream = BytesIO(data)
    try:
        value = cbor2.CBORDecoder(
            stream,
            semantic_decoders=_NO_TAGS,
            max_depth=limits.NESTING_LIMIT,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        ).decode()
    except cbor2.CBORDecodeError as error:
        raise DecodeError(f"{what}: not CBOR: {error}") from error
    if stream.tell() != len(data):
        raise DecodeError(f"{what}: {len(data) - stream.tell()} bytes follow the map")
    return value


def _convert(raw: Any, kind: type[T], what: str) -> T:
    try:
        return msgspec.convert(raw, kind, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise DecodeError(_name_field(what, str(error))) from error


def _name_field(what: str, text: str) -> str:
    """`telemetry.entries[3].seq: expected …` from msgspec's `Expected … - at `$.entries[3].seq``."""
    problem, _, path = text.partition(" - at `$")
    return f"{what}{path.removesuffix('`')}: {problem}"
