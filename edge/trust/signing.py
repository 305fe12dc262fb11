"""Makes and verifies signatures; whoever imports this loads `cryptography`."""

from collections.abc import Iterable, Mapping

from edge.trust import cose
from edge.trust.cose import Sign1
from edge.trust.encoding import encode
from edge.trust.keys import SigningKey, verifies
from edge.trust.signed import Signed


def sign(payload: bytes, key: SigningKey, content_type: str, external: bytes = b"") -> bytes:
    """An envelope; `external` is authenticated with it and travels apart."""
    headers = {
        cose.ALG: cose.EDDSA,
        cose.CONTENT_TYPE: content_type,
        cose.KID: bytes.fromhex(key.id),
    }
    protected = encode(headers)
    signature = key.sign(cose.to_be_signed(protected, payload, external))
    return cose.TAG + encode([protected, {}, payload, signature])


def verify(envelope: Sign1, public: bytes, external: bytes = b"") -> bool:
    """Whether this key signed header, payload and `external`."""
    data = cose.to_be_signed(envelope.protected, envelope.payload, external)
    return verifies(public, envelope.signature, data)


def with_signatures(signed: Signed, keys: Iterable[SigningKey], content_type: str) -> Signed:
    """The same document, signed by these as well."""
    more = tuple(sign(signed.payload, key, content_type) for key in keys)
    return Signed(signed.payload, tuple(dict.fromkeys(signed.envelopes + more)))


def signers(signed: Signed, keys: Mapping[str, bytes]) -> set[str]:
    """Ids of the keys (id → public key) that signed; each key counts once."""
    found: set[str] = set()
    for item in signed.envelopes:
        envelope = cose.parse(item)
        name = envelope.kid.hex()
        public = keys.get(name)
        if public is not None and verify(envelope, public):
            found.add(name)
    return found
