"""API tokens as text: made, recognised, hashed. Pure; randomness is an argument.

A token is `skru_` (of a user) or `skrs_` (of a service), 43 characters of base64url (256 random
bits) and 8 hexadecimal digits of their CRC, so that scanners find a leaked one and a mistyped one
is told from a revoked one. 256 random bits cannot be guessed, so one round of SHA-256 is enough at
rest: a slow hash protects passwords, which these are not.
"""

import base64
import hashlib
import re
import zlib
from typing import Literal

TOKEN_LIMIT = 128
"""Characters looked at; ours have 56."""
RANDOM_BYTES = 32
"""256 bits."""
ID_DIGITS = 12
"""Hexadecimal digits of the hash that name a token in lists and in the audit log."""

Holder = Literal["user", "service"]

_PREFIX: dict[Holder, str] = {"user": "skru_", "service": "skrs_"}
_FORM = re.compile(r"(skr[us]_[A-Za-z0-9_-]{43})([0-9a-f]{8})")


def make(holder: Holder, random: bytes) -> str:
    """The token of RANDOM_BYTES random bytes."""
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"random: {len(random)} bytes, must be {RANDOM_BYTES}")
    text = _PREFIX[holder] + base64.urlsafe_b64encode(random).rstrip(b"=").decode()
    return text + _check(text)


def well_formed(text: str) -> bool:
    """Whether it can be one of ours; says nothing about whether it is valid."""
    match = _FORM.fullmatch(text) if len(text) <= TOKEN_LIMIT else None
    return match is not None and _check(match[1]) == match[2]


def hashed(text: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(text.encode()).hexdigest()


def identifier(digest: str) -> str:
    """The name of a token, from its hash."""
    return digest[:ID_DIGITS]


def _check(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"
