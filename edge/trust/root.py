"""The root of trust: whose signatures count for what. Its rules are TUF's (specification 5.3).

A root is signed by a threshold of its own root keys; version N + 1 also by a threshold of N's;
none is skipped. When it has expired nothing new is admitted, and nothing that runs is stopped.
"""

import hashlib
from typing import Annotated

from msgspec import Meta, Struct

from edge.trust.encoding import decode_struct, encode_struct
from edge.trust.errors import RootError
from edge.trust.manifest import Seconds

ROOT_TYPE = "application/vnd.skerry.root.v1+cbor"
ROOT_ROLE = "root"
ROOT_REPOSITORY = "skerry/root"
"""Where a registry keeps roots, each under the tag of its number."""
ROOT_LIMIT = 16 << 10
"""Bytes of a root without signatures: 64 keys are 7 KiB."""
KEYS_LIMIT = 64

KeyId = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
PublicBytes = Annotated[bytes, Meta(min_length=32, max_length=32)]
RoleName = Annotated[str, Meta(pattern=r"^(root|app|image|firmware)$(?!\n)")]


class Role(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of which `threshold` must sign."""

    keys: Annotated[list[KeyId], Meta(min_length=1, max_length=KEYS_LIMIT)]
    threshold: Annotated[int, Meta(ge=1, le=KEYS_LIMIT)] = 1


class Root(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version of the root."""

    version: Annotated[int, Meta(ge=1, le=(1 << 31) - 1)]
    expires: Seconds
    keys: Annotated[dict[KeyId, PublicBytes], Meta(min_length=1, max_length=KEYS_LIMIT)]
    roles: dict[RoleName, Role]

    def keys_of(self, role: str) -> dict[str, bytes]:
        """Id and public key of who may sign for a role; empty when there is no such role."""
        found = self.roles.get(role)
        return {name: self.keys[name] for name in found.keys} if found else {}


def encode_root(root: Root) -> bytes:
    """What is signed; raises RootError when it breaks a rule."""
    _check(root)
    return encode_struct(root)


def decode_root(data: bytes) -> Root:
    """The inverse; raises MalformedError or RootError."""
    root = decode_struct(data, Root, "root", ROOT_LIMIT)
    _check(root)
    return root


def _check(root: Root) -> None:
    for name, public in root.keys.items():
        if hashlib.sha256(public).hexdigest() != name:
            raise RootError(f"root.keys: {name[:16]}… is not the hash of its key")
    if ROOT_ROLE not in root.roles:
        raise RootError("root.roles: there is no role root")
    for name, role in root.roles.items():
        if len(set(role.keys)) != len(role.keys) or not set(role.keys) <= root.keys.keys():
            raise RootError(f"root.roles.{name}: names a key twice, or one that is not in keys")
        if role.threshold > len(role.keys):
            raise RootError(
                f"root.roles.{name}: threshold {role.threshold} with {len(role.keys)} keys"
            )
