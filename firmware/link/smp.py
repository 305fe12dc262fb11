"""Simple Management Protocol, version 2, as mcumgr speaks it: an 8-byte header and a CBOR map.

Header, big-endian: version and operation, flags, length of the map (16 bits), group (16 bits),
sequence number, command.
"""

import struct

from firmware.link import cbor
from firmware.link.errors import MalformedError

HEADER_BYTES = 8
READ, READ_ANSWER, WRITE, WRITE_ANSWER = 0, 1, 2, 3
GROUP_OS, GROUP_IMAGE = 0, 1
OS_ECHO, OS_RESET = 0, 5
IMAGE_STATE, IMAGE_UPLOAD = 0, 1
OK, UNKNOWN, NO_MEMORY, INVALID, TIMEOUT, MISSING, BAD_STATE, TOO_LARGE, UNSUPPORTED = range(9)
BUSY = 10
"""`rc` of an answer: MGMT_ERR of mcumgr."""
_HEADER = ">BBHHBB"
_VERSION_2 = 1 << 3


def encode(
    operation: int, group: int, command: int, sequence: int, content: dict[str, object]
) -> bytes:
    """A message."""
    body = cbor.encode(content)
    head = struct.pack(
        _HEADER, _VERSION_2 | operation, 0, len(body), group, sequence & 255, command
    )
    return head + body


def decode(data: bytes) -> tuple[int, int, int, int, dict[object, object]]:
    """Operation, group, command, sequence number, content; MalformedError."""
    if len(data) < HEADER_BYTES:
        raise MalformedError("smp: shorter than a header")
    first, _, length, group, sequence, command = struct.unpack(_HEADER, data[:HEADER_BYTES])
    if length != len(data) - HEADER_BYTES:
        raise MalformedError("smp: its length is not that of the message")
    content = cbor.decode(data[HEADER_BYTES:]) if length else {}
    if not isinstance(content, dict):
        raise MalformedError("smp: the content is no map")
    return first & 7, group, command, sequence, content


def answer(operation: int) -> int:
    """The operation that answers one."""
    return operation + 1
