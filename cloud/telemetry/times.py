"""Times as people and programs write them, in nanoseconds since 1970 UTC. Pure."""

import re
from datetime import UTC, datetime, timedelta

from cloud.errors import BadRequest

_SECOND = 10**9
_UNITS = {
    "ms": 10**6,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3600 * _SECOND,
    "d": 86400 * _SECOND,
    "w": 7 * 86400 * _SECOND,
}
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d|w)")
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(name: str, text: str, now_ns: int) -> int:
    """An RFC 3339 time, `now`, or a duration ago (`-1h`, `30s`); BadRequest names the field."""
    if text == "now":
        return now_ns
    if _DURATION.fullmatch(text.removeprefix("-")):
        return max(0, now_ns - parse_duration(name, text.removeprefix("-")))
    # A "+" that was not encoded reaches us as a space.
    match = _RFC3339.fullmatch(text.replace(" ", "+"))
    seconds = None if match is None else _seconds(match[1].upper() + match[3].upper())
    if match is None or seconds is None:
        raise BadRequest(
            f"{name}: {text!r:.60} is neither an RFC 3339 time nor a duration ago like -1h"
        )
    return max(0, seconds * _SECOND + int((match[2] or "0").ljust(9, "0")))


def _seconds(text: str) -> int | None:
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // timedelta(seconds=1)
    except (ValueError, OverflowError):
        return None


def parse_duration(name: str, text: str) -> int:
    """`500ms`, `30s`, `10m`, `1h`, `7d`, `2w`, above zero; BadRequest names the field."""
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise BadRequest(f"{name}: {text!r:.60} is no duration; write 30s, 10m, 1h or 7d")
    return int(match[1]) * _UNITS[match[2]]


def format_time(time_ns: int) -> str:
    """RFC 3339 in UTC with as many decimals as needed, none to nine."""
    seconds, rest = divmod(time_ns, _SECOND)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{rest:09d}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"
