"""QEMU's monitor (QMP): lines of JSON, read and written without doing any I/O.

QEMU answers commands in order and sends events in between.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from qemu.board.errors import MonitorError

# The longest answers (a list of all QOM types) have some hundreds of kilobytes.
LINE_LIMIT = 8 << 20


class Event(msgspec.Struct, frozen=True):
    """Something that happened in the machine, such as WATCHDOG, RESET or SHUTDOWN."""

    name: str
    data: Mapping[str, Any]


class Answer(msgspec.Struct, frozen=True):
    """A command's result, or why QEMU refused it."""

    value: Any
    refusal: str | None = None


class _Refusal(msgspec.Struct):
    desc: str


class _Line(msgspec.Struct):
    returned: Any = msgspec.field(name="return", default=msgspec.UNSET)
    error: _Refusal | None = None
    event: str | None = None
    data: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


def command(name: str, arguments: Mapping[str, Any]) -> bytes:
    """A command as it is sent."""
    return msgspec.json.encode({"execute": name, "arguments": arguments}) + b"\n"


class Stream:
    """QMP's bytes as messages. One thread at a time."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Event | Answer]:
        """The messages that `data` completes, oldest first; raises MonitorError."""
        self._rest += data
        if len(self._rest) > LINE_LIMIT:
            raise MonitorError(f"QEMU's monitor sent a line over {LINE_LIMIT} bytes")
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        messages = (_message(bytes(line)) for line in lines if line.strip())
        return [message for message in messages if message is not None]


def _message(line: bytes) -> Event | Answer | None:
    try:
        read = msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise MonitorError(f"QEMU's monitor sent {line[:80]!r}: {fault}") from fault
    if read.event is not None:
        return Event(read.event, read.data)
    if read.error is not None:
        return Answer(None, read.error.desc)
    if read.returned is msgspec.UNSET:
        return None  # the greeting
    return Answer(read.returned)
