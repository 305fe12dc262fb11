"""Checks the link against vectors that others made; CPython and MicroPython run this same file.

micropython tests/support/link_vectors.py ROOT
"""

import json
import sys
from binascii import hexlify, unhexlify
from collections import OrderedDict

if __name__ == "__main__":
    sys.path.append(sys.argv[1])

from firmware.link import cbor, console, frame, smp

PATH = "/tests/unit/firmware/link_vectors.json"


def check(root):
    """How many vectors agreed; AssertionError names one that does not."""
    with open(root + PATH) as opened:  # noqa: PTH123 - MicroPython has no pathlib
        vectors = json.load(opened)
    for vector in vectors["frames"]:
        content = unhexlify(vector["content"])
        _same(frame.encode(content), vector["frame"])
        reader = frame.Reader()
        assert reader.feed(unhexlify(vector["frame"])) == [content], vector
        assert reader.dropped == 0, vector
    for vector in vectors["values"]:
        _same(cbor.encode(vector["value"]), vector["cbor"])
        assert cbor.decode(unhexlify(vector["cbor"])) == vector["value"], vector
    for vector in vectors["messages"]:
        _check_message(vector)
    return sum(len(kind) for kind in vectors.values())


def _check_message(vector):
    # MicroPython's own dict keeps no order.
    content = OrderedDict()
    for key, kind, value in vector["content"]:
        content[key] = unhexlify(value) if kind else value
    head = [vector[part] for part in ("operation", "group", "command", "sequence")]
    message = smp.encode(*head, content)
    _same(message, vector["message"])
    decoded = smp.decode(message)
    assert list(decoded[:4]) == head, vector
    assert len(decoded[4]) == len(content), vector
    assert all(decoded[4][key] == content[key] for key in content), vector
    # Where a packet is broken into lines is the sender's choice.
    theirs = unhexlify(vector["console"])
    assert _packet(console.encode(message)) == _packet(theirs), vector
    reader = console.Reader()
    assert reader.feed(theirs) == [message], vector
    assert reader.dropped == 0, vector


def _packet(lines):
    """The base64 of lines that begin as they must."""
    first, *more = lines.split(b"\n")[:-1]
    assert first[:2] == console.FIRST, lines
    assert all(line[:2] == console.MORE for line in more), lines
    return b"".join(line[2:] for line in [first] + more)  # noqa: RUF005 - MicroPython


def _same(made, wanted):
    assert str(hexlify(made), "ascii") == wanted, wanted


if __name__ == "__main__":
    print(check(sys.argv[1]), "vectors agree on", sys.implementation.name)  # noqa: T201
