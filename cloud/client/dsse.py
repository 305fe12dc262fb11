"""DSSE v1.0.2, the envelope in which in-toto and SLSA tools expect attestations; one line of JSON."""

import base64
import binascii
from collections.abc import Iterable, Mapping

import msgspec

from edge.trust.keys import SigningKey, verifies

IN_TOTO = "application/vnd.in-toto+json"
SIGNATURES_LIMIT = 64


class EnvelopeError(ValueError):
    """Not an envelope, or of another type; the message names the field."""


class Signature(msgspec.Struct, frozen=True):
    """By one key."""

    sig: str
    """Base64."""
    keyid: str = ""
    """A hint."""


class Envelope(msgspec.Struct, frozen=True, rename="camel"):
    """Nothing in it is to be believed before `signers` has named who signed."""

    payload: str
    """Base64."""
    payload_type: str
    signatures: list[Signature]


def seal(payload: bytes, payload_type: str, keys: Iterable[SigningKey]) -> bytes:
    """The payload, signed by each key."""
    said = pae(payload_type, payload)
    signatures = [Signature(sig=_text(key.sign(said)), keyid=key.id) for key in keys]
    return msgspec.json.encode(Envelope(_text(payload), payload_type, signatures)) + b"\n"


def unseal(data: bytes, payload_type: str, keys: Mapping[str, bytes]) -> tuple[bytes, set[str]]:
    """The payload and who of `keys` (id → public key) signed it; raises EnvelopeError."""
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EnvelopeError(f"not a DSSE envelope: {error}") from None
    if envelope.payload_type != payload_type:
        raise EnvelopeError(f"payloadType: {envelope.payload_type[:60]!r} is not {payload_type}")
    if len(envelope.signatures) > SIGNATURES_LIMIT:
        raise EnvelopeError(f"signatures: more than {SIGNATURES_LIMIT}")
    payload = _bytes("payload", envelope.payload)
    said = pae(payload_type, payload)
    signed = {
        item.keyid
        for item in envelope.signatures
        if item.keyid in keys
        and verifies(keys[item.keyid], _bytes("signatures.sig", item.sig), said)
    }
    return payload, signed


def pae(payload_type: str, payload: bytes) -> bytes:
    """What is signed: the pre-authentication encoding of the specification."""
    name = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(field: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise EnvelopeError(f"{field}: not base64") from None
