"""A document with the signatures of one person or of many: a list of COSE_Sign1 over equal bytes.

One envelope for each signer, rather than COSE_Sign, because a signature can then be added by who
never saw the others, and each is checked by any COSE library.
"""

from dataclasses import dataclass

from edge.trust import cose
from edge.trust.encoding import decode, encode
from edge.trust.errors import MalformedError

SIGNATURES_LIMIT = 16
"""Signatures of one document: thresholds are small numbers of people."""
BUNDLE_LIMIT = 256 << 10
"""Bytes of a document with all its signatures."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A payload and its envelopes, none of them verified yet."""

    payload: bytes
    envelopes: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """As it is stored and sent."""
        return encode(list(self.envelopes))


def read(data: bytes, content_type: str) -> Signed:
    """A document of this type; MalformedError otherwise, also when its payloads differ."""
    items = decode(data, "signatures", BUNDLE_LIMIT)
    if not isinstance(items, list) or not 0 < len(items) <= SIGNATURES_LIMIT:
        raise MalformedError(f"signatures: must be a list of 1 to {SIGNATURES_LIMIT}")
    if not all(isinstance(item, bytes) for item in items):
        raise MalformedError("signatures: must be byte strings")
    envelopes = [cose.parse(item) for item in items]
    for envelope in envelopes:
        if envelope.content_type != content_type:
            raise MalformedError(
                f"signatures: of {envelope.content_type!r:.60}, wanted {content_type}"
            )
    if len({envelope.payload for envelope in envelopes}) != 1:
        raise MalformedError("signatures: they are of different documents")
    return Signed(envelopes[0].payload, tuple(items))


def claimed_signers(signed: Signed) -> set[str]:
    """Ids of the keys that the envelopes name: a claim, good for telling what is wrong."""
    return {cose.parse(item).kid.hex() for item in signed.envelopes} - {""}
