"""Keys, roots and signed manifests for tests; every key follows from a word."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from edge.trust.judge import Asked
from edge.trust.keys import SigningKey, key_id
from edge.trust.manifest import (
    MANIFEST_TYPE,
    ArtifactManifest,
    Kind,
    encode_manifest,
    release_number,
)
from edge.trust.root import ROOT_TYPE, Role, Root, encode_root
from edge.trust.signed import Signed
from edge.trust.signing import with_signatures

NOW = 1_795_000_000
"""November 2026, in seconds."""
YEAR = 365 * 86_400
ROOT_KEYS = ("root-1",)
APP_KEYS = ("app-1",)


def key(word: str) -> SigningKey:
    return SigningKey.from_seed(hashlib.sha256(word.encode()).digest())


def root(version: int = 1, expires: int = NOW + YEAR, **roles: tuple[Sequence[str], int]) -> Root:
    """Roles as `app=(["app-1", "app-2"], 2)`."""
    named: Mapping[str, tuple[Sequence[str], int]] = {
        "root": (ROOT_KEYS, 1),
        "app": (APP_KEYS, 1),
        **roles,
    }
    publics = [key(word).public for words, _ in named.values() for word in words]
    return Root(
        version=version,
        expires=expires,
        keys={key_id(public): public for public in publics},
        roles={
            role: Role(keys=[key(word).id for word in words], threshold=threshold)
            for role, (words, threshold) in named.items()
        },
    )


def signed_root(made: Root, *signers: str) -> bytes:
    signed = Signed(encode_root(made), ())
    return with_signatures(signed, map(key, signers or ROOT_KEYS), ROOT_TYPE).to_bytes()


def statement(**changes: Any) -> ArtifactManifest:
    values: dict[str, Any] = {
        "digest": "sha256:" + "a" * 64,
        "size": 100,
        "kind": Kind.APP,
        "name": "thermometer",
        "version": release_number("1.0.0"),
        "capabilities": [],
    }
    return ArtifactManifest(**values | changes)


def signature(made: ArtifactManifest, *signers: str) -> bytes:
    signed = Signed(encode_manifest(made), ())
    return with_signatures(signed, map(key, signers or APP_KEYS), MANIFEST_TYPE).to_bytes()


def asked(**changes: Any) -> Asked:
    values: dict[str, Any] = {
        "kind": Kind.APP,
        "name": "thermometer",
        "digest": "sha256:" + "a" * 64,
        "size": 100,
        "version": release_number("1.0.0"),
        "capabilities": (),
    }
    return Asked(**values | changes)
