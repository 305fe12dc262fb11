"""COSE_Sign1 (RFC 9052 section 4.2) with EdDSA over Ed25519 (RFC 9053 section 2.2): its form.

The algorithm must be in the protected header; a critical header must be one of ours; a label may
not be both protected and unprotected; only the tagged form is read. `signing` makes and verifies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.trust.encoding import decode, encode
from edge.trust.errors import MalformedError

EDDSA = -8
ALG, CRIT, CONTENT_TYPE, KID = 1, 2, 3, 4
"""Header labels, RFC 9052 section 3.1."""
UNDERSTOOD = frozenset({ALG, CRIT, CONTENT_TYPE, KID})
ENVELOPE_LIMIT = 64 << 10
"""Bytes of one signed document: a root of 64 keys is under 8 KiB."""
HEADER_LIMIT = 1024
"""Bytes of the protected header; ours has 90."""
SIGNATURE_BYTES = 64

TAG = b"\xd2"
"""Tag 18: COSE_Sign1."""
_PARTS = 4


@dataclass(frozen=True, slots=True)
class Sign1:
    """A parsed envelope; nothing in it is to be believed before `signing.verify` has said yes."""

    protected: bytes
    headers: Mapping[int | str, Any]
    """Protected headers."""
    unprotected: Mapping[int | str, Any]
    payload: bytes
    signature: bytes

    @property
    def content_type(self) -> object:
        """What the payload says it is; only the protected header is asked."""
        return self.headers.get(CONTENT_TYPE)

    @property
    def kid(self) -> bytes:
        """A hint at the key; empty when there is none."""
        found = self.headers.get(KID, self.unprotected.get(KID, b""))
        return found if isinstance(found, bytes) else b""


def parse(data: bytes) -> Sign1:
    """The parts of an envelope; MalformedError names the one that is wrong."""
    if data[:1] != TAG:
        raise MalformedError("signature: does not begin with the tag of COSE_Sign1 (18)")
    parts = decode(data[1:], "signature", ENVELOPE_LIMIT)
    if not isinstance(parts, list) or len(parts) != _PARTS:
        raise MalformedError("signature: COSE_Sign1 is an array of four")
    protected, unprotected, payload, signature = parts
    if not (isinstance(protected, bytes) and isinstance(payload, bytes)):
        raise MalformedError("signature: header and payload must be byte strings (not detached)")
    if not isinstance(signature, bytes) or len(signature) != SIGNATURE_BYTES:
        raise MalformedError(f"signature: Ed25519 has {SIGNATURE_BYTES} bytes")
    if not isinstance(unprotected, dict):
        raise MalformedError("signature: the unprotected header must be a map")
    headers = decode(protected, "signature.protected", HEADER_LIMIT)
    _check_headers(headers, unprotected)
    return Sign1(protected, headers, unprotected, payload, signature)


def to_be_signed(protected: bytes, payload: bytes, external: bytes = b"") -> bytes:
    """Sig_structure, RFC 9052 section 4.4."""
    return encode(["Signature1", protected, external, payload])


def _check_headers(headers: object, unprotected: Mapping[Any, Any]) -> None:
    if not isinstance(headers, dict):
        raise MalformedError("signature.protected: must be a map")
    if any(type(label) not in {int, str} for label in (*headers, *unprotected)):
        raise MalformedError("signature: a header's label must be an integer or text")
    if headers.keys() & unprotected.keys():
        raise MalformedError("signature: a header is both protected and unprotected")
    if headers.get(ALG) != EDDSA:
        raise MalformedError(f"signature.protected.alg: only EdDSA ({EDDSA}) is known here")
    if CRIT in unprotected:
        raise MalformedError("signature.crit: must be protected")
    critical = headers.get(CRIT)
    if CRIT in headers and not (isinstance(critical, list) and critical):
        raise MalformedError("signature.crit: must name at least one header")
    for label in critical or ():
        if not isinstance(label, int) or label not in UNDERSTOOD or label not in headers:
            raise MalformedError(f"signature.crit: {label!r:.40} is not understood, or not there")
