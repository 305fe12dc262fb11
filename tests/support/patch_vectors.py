"""Applies patches that detools made; CPython and MicroPython run this same file.

micropython tests/support/patch_vectors.py ROOT
"""

import hashlib
import io
import json
import sys
from binascii import hexlify, unhexlify

if __name__ == "__main__":
    sys.path.append(sys.argv[1])

from firmware.device.patch import Patch, PatchError

PATH = "/tests/unit/firmware/patch_vectors.json"


def base(seed, size):
    """Bytes that both interpreters make alike, as hard to compress as a program."""
    made = bytearray(size)
    state = seed
    for at in range(size):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        made[at] = (state >> 16) & (0xFF if state & 0x100000 else 0x0F)
    return bytes(made)


def applied(patch, old):
    """What comes out; nothing outside the base may be asked for."""

    def read(at, count):
        assert at >= 0
        assert at + count <= len(old)
        return old[at : at + count]

    work = Patch(io.BytesIO(patch).read, read, len(old))
    return b"".join([bytes(block) for block in work.blocks()])


def check(root):
    """How many vectors agreed; AssertionError names one that does not."""
    with open(root + PATH) as opened:  # noqa: PTH123 - MicroPython has no pathlib
        vectors = json.load(opened)
    for vector in vectors["right"]:
        made = applied(unhexlify(vector["patch"]), base(vector["seed"], vector["size"]))
        assert str(hexlify(hashlib.sha256(made).digest()), "ascii") == vector["sha256"], vector
    for vector in vectors["wrong"]:
        assert _refusal(unhexlify(vector["patch"])) == vector["error"], vector
    return len(vectors["right"]) + len(vectors["wrong"])


def _refusal(patch):
    try:
        applied(patch, base(1, 100))
    except PatchError as error:
        return error.args[0]
    return "taken"


if __name__ == "__main__":
    print(check(sys.argv[1]), "vectors agree on", sys.implementation.name)  # noqa: T201
