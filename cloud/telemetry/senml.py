"""SenML packs in CBOR (RFC 8428), decoded strictly: a pack is good as a whole or not at all.

Base values are resolved, relative times made absolute. What the RFC lets a reader ignore (unknown
labels that do not end in "_") is ignored; anything else that is not in it is an error that names
the record and the label.
"""

import math
import re
from decimal import Decimal
from io import BytesIO
from typing import Any, NamedTuple, NoReturn

import cbor2

from cloud.telemetry.errors import SenmlError
from edge.wire.limits import PACK_LIMIT, PACK_RECORDS_LIMIT

NAME_LIMIT = 192
"""Characters of a resolved name; with a stream of 64 before it a name stays under 260."""
UNIT_LIMIT = 64
"""Characters of a unit; the registered ones have at most 8."""
ABSOLUTE_FROM_S = 1 << 28
"""Seconds below which a time is relative to now (RFC 8428 section 4.5.3)."""
NEWEST_VERSION = 10
"""SenML version of RFC 8428; a pack of a later one must be refused (section 4.4)."""

_DEPTH = 5
"""Nesting: the pack, a record, a decimal fraction, and what an ignored label may hold."""
_SECOND = 1_000_000_000
_TIME_END = 1 << 63
_NAME = re.compile(r"[A-Za-z0-9:./_-]*")
_DECIMAL_FRACTION = 4

_BVER, _BN, _BT, _BU, _BV, _BS = -1, -2, -3, -4, -5, -6
_N, _U, _V, _VS, _VB, _S, _T, _UT, _VD = range(9)
_LABELS = {
    _BVER: "bver", _BN: "bn", _BT: "bt", _BU: "bu", _BV: "bv", _BS: "bs",
    _N: "n", _U: "u", _V: "v", _VS: "vs", _VB: "vb", _S: "s", _T: "t", _UT: "ut", _VD: "vd",
}  # fmt: skip
_INTEGER_OF = {text: number for number, text in _LABELS.items()}
_KNOWN = frozenset(_LABELS)
_BASE = frozenset({_BVER, _BN, _BT, _BU, _BV, _BS})
_VALUES = frozenset({_V, _VS, _VB, _VD})


class Record(NamedTuple):
    """One resolved record: exactly one of the four values, or `total` alone or beside it."""

    name: str
    """Base name and name; empty when the pack has neither."""
    unit: str
    time_ns: int
    number: float | None
    text: str | None
    flag: bool | None
    data: bytes | None
    total: float | None
    """SenML's sum."""
    update_s: float | None
    """Seconds within which the sender will send again."""


def decode(payload: bytes, now_ns: int) -> list[Record]:
    """The records of a pack; times below 2^28 s are relative to `now_ns`. Raises SenmlError."""
    base = _Base(now_ns)
    return [base.resolve(index, fields) for index, fields in enumerate(_load(payload))]


def _load(payload: bytes) -> list[dict[Any, Any]]:
    if len(payload) > PACK_LIMIT:
        raise SenmlError(f"pack: {len(payload)} bytes, at most {PACK_LIMIT} are accepted")
    stream = BytesIO(payload)
    decoder = cbor2.CBORDecoder(
        stream,
        semantic_decoders=_ONLY_DECIMAL,
        tag_hook=_refuse_tag,
        max_depth=_DEPTH,
        allow_indefinite=True,
        allow_duplicate_keys=False,
    )
    try:
        pack = decoder.decode()
    except (cbor2.CBORDecodeError, ArithmeticError, ValueError) as error:
        raise SenmlError(f"pack: not CBOR: {error}") from error
    if stream.tell() != len(payload):
        raise SenmlError(f"pack: {len(payload) - stream.tell()} bytes follow it")
    if type(pack) is not list or not 1 <= len(pack) <= PACK_RECORDS_LIMIT:
        raise SenmlError(f"pack: must be an array of 1 to {PACK_RECORDS_LIMIT} records")
    for index, fields in enumerate(pack):
        if type(fields) is not dict:
            raise SenmlError(f"[{index}]: must be a map")
    return pack


class _OnlyDecimal(dict[int, Any]):
    """Refuses each tag that cbor2 knows but decimal fractions, before its content is built."""

    def __missing__(self, tag: int) -> NoReturn:
        if tag == _DECIMAL_FRACTION:
            raise KeyError(tag)
        raise ValueError(f"tag {tag} is not allowed")


_ONLY_DECIMAL = _OnlyDecimal()


def _refuse_tag(*_: object) -> NoReturn:
    raise ValueError("tags are not allowed")


class _Base:
    """The base values in force, which hold from their record on."""

    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns
        self._name = ""
        self._unit = ""
        self._time_ns = 0
        self._value = 0.0
        self._total = 0.0
        self._version: int | None = None

    def resolve(self, index: int, fields: dict[Any, Any]) -> Record:
        """The record that `fields` mean here."""
        labels = fields.keys()
        if not labels <= _KNOWN:
            _check_unknown(index, fields)
        if None in fields.values():
            _check_null(index, fields)
        if not labels.isdisjoint(_BASE):
            self._update(index, fields)
        values = labels & _VALUES
        total = fields.get(_S)
        if len(values) > 1 or not (values or total is not None):
            raise SenmlError(f"[{index}]: needs exactly one of v, vs, vb, vd (or s without them)")
        number, text, flag, data = (fields.get(label) for label in (_V, _VS, _VB, _VD))
        if number is not None:
            number = self._value + _number(index, _V, number)
        elif flag is not None or text is not None or data is not None:
            _check_value(index, text, flag, data)
        return Record(
            self._full_name(index, fields),
            _text(index, _U, fields[_U], UNIT_LIMIT) if _U in fields else self._unit,
            self._time(index, fields),
            number,
            text,
            flag,
            data,
            None if total is None else self._total + _number(index, _S, total),
            _number(index, _UT, fields[_UT]) if _UT in fields else None,
        )

    def _update(self, index: int, fields: dict[Any, Any]) -> None:
        if _BVER in fields:
            self._check_version(index, fields[_BVER])
        if _BN in fields:
            self._name = _text(index, _BN, fields[_BN], NAME_LIMIT)
        if _BT in fields:
            self._time_ns = _nanoseconds(index, _BT, fields[_BT])
        if _BU in fields:
            self._unit = _text(index, _BU, fields[_BU], UNIT_LIMIT)
        if _BV in fields:
            self._value = _number(index, _BV, fields[_BV])
        if _BS in fields:
            self._total = _number(index, _BS, fields[_BS])

    def _check_version(self, index: int, version: object) -> None:
        if type(version) is not int or not 1 <= version <= NEWEST_VERSION:
            raise SenmlError(f"[{index}].bver: must be an integer from 1 to {NEWEST_VERSION}")
        if self._version not in {None, version}:
            raise SenmlError(f"[{index}].bver: must be the same in the whole pack")
        self._version = version

    def _full_name(self, index: int, fields: dict[Any, Any]) -> str:
        name = self._name
        if _N in fields:
            name += _text(index, _N, fields[_N], NAME_LIMIT)
        if name and (len(name) > NAME_LIMIT or not _NAME.fullmatch(name)):
            raise SenmlError(
                f"[{index}].n: with its base at most {NAME_LIMIT} of A-Z a-z 0-9 - : . / _"
            )
        return name

    def _time(self, index: int, fields: dict[Any, Any]) -> int:
        time_ns = self._time_ns
        if _T in fields:
            time_ns += _nanoseconds(index, _T, fields[_T])
        if time_ns < ABSOLUTE_FROM_S * _SECOND:
            time_ns += self._now_ns
        if not 0 <= time_ns < _TIME_END:
            raise SenmlError(f"[{index}].t: must lie between the years 1970 and 2262")
        return time_ns


def _check_unknown(index: int, fields: dict[Any, Any]) -> None:
    for label in fields.keys() - _KNOWN:
        if type(label) is not str:
            raise SenmlError(f"[{index}]: label {label!r:.40} is not one of RFC 8428")
        if label in _INTEGER_OF:
            raise SenmlError(f"[{index}].{label}: write the integer label {_INTEGER_OF[label]}")
        if label.endswith("_"):
            raise SenmlError(f"[{index}].{label:.40}: must be understood and is not")


def _check_null(index: int, fields: dict[Any, Any]) -> None:
    for label, value in fields.items():
        if value is None and label in _LABELS:
            raise SenmlError(f"[{index}].{_LABELS[label]}: must not be null")


def _check_value(index: int, text: object, flag: object, data: object) -> None:
    for label, value, kind in ((_VS, text, str), (_VB, flag, bool), (_VD, data, bytes)):
        if value is not None and type(value) is not kind:
            raise SenmlError(f"[{index}].{_LABELS[label]}: must be {_KINDS[kind]}")


_KINDS: dict[type, str] = {str: "a text string", bool: "true or false", bytes: "a byte string"}


def _text(index: int, label: int, value: object, limit: int) -> str:
    if type(value) is not str or len(value) > limit:
        raise SenmlError(f"[{index}].{_LABELS[label]}: must be text of at most {limit} characters")
    return value


def _number(index: int, label: int, value: object) -> float:
    if type(value) in _NUMBERS:
        number = float(value)  # type: ignore[arg-type] # one of _NUMBERS
        if math.isfinite(number):
            return number
    raise SenmlError(f"[{index}].{_LABELS[label]}: must be a finite number")


_NUMBERS = frozenset({int, float, Decimal})


def _nanoseconds(index: int, label: int, value: Any) -> int:
    """Whole and fractional seconds apart, so that a time in whole seconds stays exact."""
    if abs(_number(index, label, value)) * _SECOND >= _TIME_END:
        raise SenmlError(f"[{index}].{_LABELS[label]}: {value!r:.40} seconds are out of range")
    if type(value) is float:
        return round(value * _SECOND)
    return int(value * _SECOND)
