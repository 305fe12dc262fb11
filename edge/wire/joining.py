"""What a node and the cloud say when a node joins, renews or proves itself: JSON over HTTPS.

Joining: `GET ROOT/trust` unverified, compare with the token's pin, then all else verified.
`POST ROOT/join` with the token, `POST ROOT/renew` with the certificate, `POST ROOT/challenge` and
`POST ROOT/reenrol` with the expired certificate and a signature by its key. 202: a person must
approve; the same request is asked again. docs/identity.md tells the whole of it.
"""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Annotated, Final

from msgspec import Meta, Struct

from edge.wire.errors import DecodeError
from edge.wire.limits import LABELS_LIMIT, NAME_PATTERN, TEXT_LIMIT

ROOT = "/join/v1alpha1"
NODE_URI = "urn:skerry:node:"
"""Before a node's name in the URI of its certificate's subjectAltName."""
PEM_LIMIT = 8 << 10
"""Characters of a CSR or certificate; one with a P-256 key takes about 700."""
BODY_LIMIT = 32 << 10
"""Bytes of a request or an answer: two PEM texts, labels, and room."""
CHALLENGE_BYTES = 32
PROOF_CONTEXT = b"skerry re-enrolment v1\0"
"""Before what an expired node signs, so that the signature means nothing elsewhere."""

_TOKEN: Final = re.compile(r"skerry1\.([a-z0-9]{8})\.([a-z2-7]{32})\.([0-9a-f]{64})")

Pem = Annotated[str, Meta(max_length=PEM_LIMIT)]
Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
Text = Annotated[str, Meta(max_length=TEXT_LIMIT)]
Labels = Annotated[dict[Text, Text], Meta(max_length=LABELS_LIMIT)]


@dataclass(frozen=True, slots=True)
class JoinToken:
    """`skerry1.ID.SECRET.PIN`: what lets a node join, and which cloud it then meets."""

    id: str
    secret: str = field(repr=False)
    pin: str
    """SHA-256 of the CA certificate in DER, in hex."""

    @classmethod
    def parse(cls, text: str) -> "JoinToken":
        """Read a token; DecodeError never shows it."""
        match = _TOKEN.fullmatch(text)
        if match is None:
            raise DecodeError(
                "token: not of the form skerry1.ID.SECRET.PIN; copy all that "
                "`skerry token create` printed"
            )
        return cls(match[1], match[2], match[3])

    def text(self) -> str:
        """What a person copies: a secret."""
        return f"skerry1.{self.id}.{self.secret}.{self.pin}"


class JoinRequest(Struct, frozen=True, kw_only=True):
    """`POST ROOT/join`."""

    node: Name
    csr: Pem
    """PKCS #10 with a P-256 key, signed by it; the cloud takes nothing else from it."""
    token: Text = ""
    """Empty: a person must approve."""
    labels: Labels = {}


class RenewRequest(Struct, frozen=True, kw_only=True):
    """`POST ROOT/renew`, over a connection with the node's certificate."""

    csr: Pem


class ChallengeRequest(Struct, frozen=True, kw_only=True):
    """`POST ROOT/challenge`: nothing is to be said."""


class Challenge(Struct, frozen=True, kw_only=True):
    """Answer of `POST ROOT/challenge`: to be signed once, soon."""

    nonce: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    time_ns: int
    """The cloud's time, by which a node without a clock learns that its certificate has ended."""


class ReenrolRequest(Struct, frozen=True, kw_only=True):
    """`POST ROOT/reenrol`."""

    certificate: Pem
    """The expired one."""
    csr: Pem
    nonce: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    signature: Annotated[str, Meta(pattern="^[0-9a-f]{2,256}$")]
    """ECDSA with SHA-256 by the expired certificate's key, DER, over `proof`."""


class Issued(Struct, frozen=True, kw_only=True):
    """A certificate, and whom to trust from now on."""

    certificate: Pem
    trust: Annotated[list[Pem], Meta(min_length=1, max_length=4)]
    time_ns: int
    """The cloud's time."""


class Trust(Struct, frozen=True, kw_only=True):
    """Answer of `GET ROOT/trust`: every CA that nodes shall accept."""

    trust: Annotated[list[Pem], Meta(min_length=1, max_length=4)]


class Pending(Struct, frozen=True, kw_only=True):
    """202: kept, not issued."""

    message: Text


class CloudContext(Struct, frozen=True, kw_only=True):
    """What a person's own directory knows of one cloud: a file only they may read."""

    url: str = ""
    ca: str = ""
    """PEM, all CAs to trust; empty for what the system trusts."""
    join_token: str = ""
    """For agents on this machine; empty where the cloud is elsewhere."""
    user: str = ""
    token: str = ""
    """Who the person is there; the agent makes no use of it."""


_SAME_HOST = {"localhost": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104
"""Listening everywhere is reached here."""


def context_name(url: str) -> str:
    """File name of a cloud's context: `https://127.0.0.1:8480` → `127.0.0.1_8480.json`."""
    authority = url.partition("://")[2].partition("/")[0].lower()
    host, colon, port = authority.rpartition(":")
    authority = f"{_SAME_HOST.get(host, host)}{colon}{port}"
    return re.sub(r"[^a-z0-9.-]+", "_", authority).strip("_") + ".json"


def proof(nonce: str, csr: str) -> bytes:
    """What an expired node signs."""
    return PROOF_CONTEXT + bytes.fromhex(nonce) + hashlib.sha256(csr.encode()).digest()
