"""What a signature says of an artifact, and which version may follow which."""

import re
from enum import Enum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from edge.trust.encoding import decode_struct, encode_struct
from edge.trust.errors import MalformedError, Reason, Refused
from edge.wire.limits import FILES_LIMIT
from edge.wire.manifest import AppManifest, Grant, GrantKind, Name
from edge.wire.messages import Digest, Files

MANIFEST_TYPE = "application/vnd.skerry.artifact-manifest.v1+cbor"
"""Content type in the protected header: a root can never pass for a manifest, nor the reverse."""
MANIFEST_LIMIT = 16 << 10
"""Bytes of a manifest: 64 capabilities of 80 characters are 5 KiB."""
PART_LIMIT = 10**6
"""Above every number of a version `1.2.3`."""
_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:[-+].*)?")

Capability = Annotated[str, Meta(min_length=1, max_length=80)]
Version = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Seconds = Annotated[int, Meta(ge=0, le=1 << 40)]
"""Since 1970 UTC."""


class Kind(Enum):
    """What an artifact is; the root has a role of the same name."""

    APP = "app"
    IMAGE = "image"
    FIRMWARE = "firmware"


class SignedFiles(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The files that a shared module shall run."""

    digest: Digest
    size: Annotated[int, Meta(gt=0, le=FILES_LIMIT)]


class ArtifactManifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The signed statement: these bytes are this version of this, and may do so much."""

    digest: Digest
    size: Annotated[int, Meta(gt=0, le=1 << 40)]
    kind: Kind
    name: Name
    version: Version
    """Only rises; `release_number` of what people call the version."""
    capabilities: Annotated[list[Capability], Meta(max_length=64)] = field(
        default_factory=list[str]
    )
    """Sorted; what an app may ask for at most (`capabilities`), or firmware (`board_capabilities`)."""
    expires: Seconds | None = None
    """Not admitted for the first time after this; what runs then runs on."""
    downgrade_from: Version | None = None
    """Permission: this may take the place of versions up to this one."""
    files: SignedFiles | UnsetType = UNSET
    """Not written when there are none, so that what was signed before files existed is good."""


def encode_manifest(manifest: ArtifactManifest) -> bytes:
    """What is signed."""
    return encode_struct(manifest)


def decode_manifest(data: bytes) -> ArtifactManifest:
    """The inverse; MalformedError names the field."""
    return decode_struct(data, ArtifactManifest, "manifest", MANIFEST_LIMIT)


def release_number(version: str) -> int:
    """`1.2.3` as a number that sorts as versions do; what follows `-` or `+` does not count."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise MalformedError(
            f"version: {version[:40]!r} is not three numbers below {PART_LIMIT} with dots"
        )
    major, minor, patch = map(int, match.groups())
    return (major * PART_LIMIT + minor) * PART_LIMIT + patch


def release_text(number: int) -> str:
    """The inverse: `1.2.3`."""
    rest, patch = divmod(number, PART_LIMIT)
    return f"{rest // PART_LIMIT}.{rest % PART_LIMIT}.{patch}"


def capabilities(manifest: AppManifest) -> list[str]:
    """What an app asks for, sorted."""
    return sorted(_capability(name, grant) for name, grant in manifest.grants.items())


def board_capabilities(board: str) -> list[str]:
    """What firmware asks for: to run on this kind of microcontroller, and on no other."""
    return [f"board:{board}"]


def signed_files(files: Files | None) -> SignedFiles | UnsetType:
    """What a statement says of these files."""
    return UNSET if files is None else SignedFiles(digest=files.digest, size=files.size)


def check_floor(name: str, version: int, downgrade_from: int | None, floor: int) -> None:
    """Raise Refused when this version may not run where `floor` has run well."""
    if version < floor and (downgrade_from is None or downgrade_from < floor):
        raise Refused(
            Reason.ROLLBACK,
            f"version {release_text(version)} of {name} is older than {release_text(floor)}, which "
            "has run here; to go back on purpose push it with "
            f"`--downgrade-from {release_text(floor)}`, which signs the permission",
        )


def _capability(name: str, grant: Grant) -> str:
    """An output can move things, so it is another capability than an input."""
    kind = grant.kind.value
    if grant.kind is GrantKind.GPIO:
        kind += f"-{grant.direction}"
    return f"{kind}:{name}"
