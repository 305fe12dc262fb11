"""Makes `patch_vectors.json` anew, with detools: python -m tests.support.patch_oracle."""

import hashlib
import io
import json

import detools

from tests.support.patch_vectors import PATH, base
from tests.support.system import ROOT

WRONG = {
    "": "patch: it is cut off",
    "00": "patch: not sequential with crle, as skerry firmware delta makes it",
    "0200": "patch: of nothing",
    "0241": "patch: the length of the result is below zero",
    "02ffffffffff7f": "patch: a number that is larger than any flash",
    "0204": "patch: it is cut off",
    "02040205": "patch: neither bytes nor a run where one begins",
    "02040000": "patch: a segment of nothing",
    "0204000101": "patch: with a data format, which is not supported",
    "020400020005": "patch: longer than the length it says",
    "020400020041": "patch: the length of a record is below zero",
    "02040009000001aa4101000000": "patch: reads outside its base",
    "02a501000300a501": "patch: reads outside its base",
    "0204000800040000000000": "patch: it is cut off",
    "02040008000400000000000000": "patch: goes on after its end",
}
"""Patches of a base of 100 bytes, and what is wrong with each."""


def made(old: bytes, new: bytes) -> bytes:
    """As the device takes it, without our wrapping."""
    out = io.BytesIO()
    detools.create_patch(io.BytesIO(old), io.BytesIO(new), out, compression="crle", use_mmap=False)
    return out.getvalue()


def main() -> None:
    right = []
    for seed, size in ((1, 10), (2, 1024), (3, 3000), (4, 5000)):
        old = base(seed, size)
        middle = size // 2
        for new in (
            old,
            old[:middle] + b"inserted" + old[middle:],
            old[middle:] + old[:middle],
            old[: size // 3] + old[middle:],
            bytes((byte + (at % 97 == 0)) & 255 for at, byte in enumerate(old)) + bytes(2000),
            base(seed + 10, 300),
        ):
            digest = hashlib.sha256(new).hexdigest()
            patch = made(old, new).hex()
            right.append({"seed": seed, "size": size, "patch": patch, "sha256": digest})
    wrong = [{"patch": patch, "error": error} for patch, error in WRONG.items()]
    text = json.dumps({"right": right, "wrong": wrong}, indent=1)
    (ROOT / PATH.lstrip("/")).write_text(text + "\n")


if __name__ == "__main__":
    main()
