"""Is it a SenML pack in CBOR? Strict, for what a guest hands in (RFC 8428, sections 4 and 6).

Accepted: an array of 1 to PACK_RECORDS_LIMIT maps with the labels of section 6, each with exactly
one value or a sum. Unknown text labels are ignored unless they end with `_`. Not accepted though
RFC 8428 has them: tagged numbers (decimal fractions), infinity and NaN, which JSON cannot carry.
"""

import io
import math
import re
from collections.abc import Callable, Mapping

import cbor2

from edge.wire.limits import PACK_RECORDS_LIMIT

VERSION = 10
"""SenML version of RFC 8428; higher ones may mean something else."""
NAME_LIMIT = 128
"""Characters of a full name: stream, `/`, base name and name."""
TEXT_LIMIT = 16 << 10
"""Bytes of a text or data value."""
TIME_LIMIT = float(1 << 40)
"""Seconds, either way of zero: past the year 36000."""

_MAX_DEPTH = 3
_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9:._/]*")

BVER, BN, BT, BU, BV, BS = -1, -2, -3, -4, -5, -6
N, U, V, VS, VB, S, T, UT, VD = range(9)
_VALUES = (V, VS, VB, VD)


class InvalidPackError(ValueError):
    """Not a SenML pack; the message names the record and the field."""


def check(pack: bytes, name: str) -> int:
    """Number of records of a valid pack of the stream `name`; raises InvalidPackError."""
    stream = io.BytesIO(pack)
    try:
        records = cbor2.CBORDecoder(
            stream,
            max_depth=_MAX_DEPTH,
            allow_duplicate_keys=False,
            semantic_decoders=_NO_TAGS,
            tag_hook=_refuse_tag,
        ).decode()
    except (cbor2.CBORDecodeError, ValueError, RecursionError, OverflowError, TypeError) as error:
        raise InvalidPackError(f"not CBOR: {error}") from None
    if stream.tell() != len(pack):
        raise InvalidPackError(f"not CBOR: {len(pack) - stream.tell()} bytes follow it")
    if not isinstance(records, list) or not 1 <= len(records) <= PACK_RECORDS_LIMIT:
        raise InvalidPackError(f"must be an array of 1 to {PACK_RECORDS_LIMIT} records")
    base = ""
    for at, record in enumerate(records):
        if not isinstance(record, dict):
            raise InvalidPackError(f"record {at}: must be a map")
        try:
            base = _check_record(record, name, base)
        except InvalidPackError as error:
            raise InvalidPackError(f"record {at}: {error}") from None
    return len(records)


def _check_record(record: Mapping[object, object], stream: str, base: str) -> str:
    """Raises unless the record is valid; the base name from here on."""
    for label, value in record.items():
        if isinstance(label, int) and not isinstance(label, bool):
            if label not in _FIELDS:
                raise InvalidPackError(f"label {label} is unknown")
            name, fits = _FIELDS[label]
            if not fits(value):
                raise InvalidPackError(f"{name} is {value!r:.40}, which it cannot be")
        elif not isinstance(label, str):
            raise InvalidPackError("a label must be a number or text")
        elif label.endswith("_"):
            raise InvalidPackError(f"label {label:.40} must be understood and is not")
    values = sum(label in record for label in _VALUES)
    if values > 1 or (values == 0 and S not in record):
        raise InvalidPackError("needs exactly one of v, vs, vb, vd (none only beside s)")
    base = str(record.get(BN, base))
    full = f"{base}{record.get(N, '')}"
    if full and not _NAME.fullmatch(full):
        raise InvalidPackError(f"the name {full!r:.40} has characters that SenML forbids")
    if len(stream) + 1 + len(full) > NAME_LIMIT:
        raise InvalidPackError(f"the name is longer than {NAME_LIMIT} with its stream's")
    return base


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _is_time(value: object) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= TIME_LIMIT
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= TEXT_LIMIT


def _is_unit(value: object) -> bool:
    return isinstance(value, str) and len(value) <= UNIT_LIMIT


def _is_data(value: object) -> bool:
    return isinstance(value, bytes) and len(value) <= TEXT_LIMIT


def _is_version(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= VERSION


UNIT_LIMIT = 16
"""Characters of a unit: the manifest's own limit."""

_FIELDS: dict[int, tuple[str, Callable[[object], bool]]] = {
    BVER: ("bver", _is_version),
    BN: ("bn", lambda value: isinstance(value, str)),
    BT: ("bt", _is_time),
    BU: ("bu", _is_unit),
    BV: ("bv", _is_number),
    BS: ("bs", _is_number),
    N: ("n", lambda value: isinstance(value, str)),
    U: ("u", _is_unit),
    V: ("v", _is_number),
    VS: ("vs", _is_text),
    VB: ("vb", lambda value: isinstance(value, bool)),
    S: ("s", _is_number),
    T: ("t", _is_time),
    UT: ("ut", _is_time),
    VD: ("vd", _is_data),
}


def _refuse_tag(*_arguments: object) -> object:
    raise InvalidPackError("tagged values are not accepted")


_NO_TAGS: dict[int, Callable[..., object]] = dict.fromkeys(
    (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 100, 256, 258, 260, 261, 1004, 43000, 55799),
    _refuse_tag,
)
"""cbor2's own decoders would compile regular expressions and parse dates for a stranger."""
