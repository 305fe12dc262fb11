"""Ed25519 keys (RFC 8032): the one module that imports `cryptography` to judge and to sign."""

import hashlib
from dataclasses import dataclass, field
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from edge.trust.errors import KeyFileError

SEED_BYTES = 32


def key_id(public: bytes) -> str:
    """Name of a public key: SHA-256 of its 32 bytes, in hexadecimal."""
    return hashlib.sha256(public).hexdigest()


def verifies(public: bytes, signature: bytes, data: bytes) -> bool:
    """Whether the holder of the private half signed `data`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; its text never shows the secret."""

    public: bytes
    _secret: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """The key of 32 random bytes."""
        return cls._of(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def from_pem(cls, pem: bytes, passphrase: bytes | None = None) -> Self:
        """A key as `pem` wrote it; raises KeyFileError."""
        try:
            secret = load_pem_private_key(pem, passphrase)
        except TypeError:
            state = "needs a passphrase" if passphrase is None else "is not encrypted"
            raise KeyFileError(f"the key {state}; see SKERRY_PASSPHRASE") from None
        except ValueError:
            raise KeyFileError("not a private key in PEM, or the passphrase is wrong") from None
        if not isinstance(secret, Ed25519PrivateKey):
            raise KeyFileError("not an Ed25519 key")
        return cls._of(secret)

    @property
    def id(self) -> str:
        """Name of its public half."""
        return key_id(self.public)

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""
        return self._secret.sign(data)

    def pem(self, passphrase: bytes | None = None) -> bytes:
        """PKCS #8, encrypted when there is a passphrase."""
        lock = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        return self._secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)

    @classmethod
    def _of(cls, secret: Ed25519PrivateKey) -> Self:
        return cls(secret.public_key().public_bytes_raw(), secret)
