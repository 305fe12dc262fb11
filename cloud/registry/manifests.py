"""Manifests as pure values: which kinds are taken, and what one names."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from cloud.registry.errors import Code, RegistryError
from cloud.registry.media import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

MANIFEST_LIMIT = 4 << 20
"""Bytes of a manifest: what the spec asks a registry to take at least."""

Digest = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}$")]
MediaType = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$"
    ),
]


class Descriptor(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Names content by type, digest and size."""

    media_type: MediaType
    digest: Digest
    size: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
    artifact_type: str = ""
    annotations: dict[str, str] = field(default_factory=dict[str, str])


class ImageManifest(Struct, frozen=True, kw_only=True, rename="camel"):
    """OCI image manifest, or Docker's, which has the same fields."""

    schema_version: Annotated[int, Meta(ge=2, le=2)]
    media_type: str = ""
    artifact_type: MediaType | None = None
    config: Descriptor
    layers: Annotated[list[Descriptor], Meta(max_length=1024)]
    subject: Descriptor | None = None
    annotations: dict[str, str] = field(default_factory=dict[str, str])


class Index(Struct, frozen=True, kw_only=True, rename="camel"):
    """OCI image index, or Docker's manifest list."""

    schema_version: Annotated[int, Meta(ge=2, le=2)]
    media_type: str = ""
    artifact_type: MediaType | None = None
    manifests: Annotated[list[Descriptor], Meta(max_length=1024)]
    subject: Descriptor | None = None
    annotations: dict[str, str] = field(default_factory=dict[str, str])


_TYPES: dict[str, type[ImageManifest] | type[Index]] = {
    OCI_MANIFEST: ImageManifest,
    DOCKER_MANIFEST: ImageManifest,
    OCI_INDEX: Index,
    DOCKER_LIST: Index,
}


def parse(media_type: str, content: bytes) -> ImageManifest | Index:
    """The manifest; RegistryError MANIFEST_INVALID names the field."""
    kind = _TYPES.get(media_type)
    if kind is None:
        raise RegistryError(
            Code.MANIFEST_INVALID, f"Content-Type: {media_type!r:.80} is not one of {list(_TYPES)}"
        )
    try:
        manifest = msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RegistryError(Code.MANIFEST_INVALID, f"manifest: {error}") from error
    if manifest.media_type not in {"", media_type}:
        raise RegistryError(
            Code.MANIFEST_INVALID,
            f"mediaType: {manifest.media_type!r:.80} differs from Content-Type {media_type}",
        )
    return manifest


def blobs(manifest: ImageManifest | Index) -> list[Descriptor]:
    """Blobs that must be in the repository."""
    return [manifest.config, *manifest.layers] if isinstance(manifest, ImageManifest) else []


def children(manifest: ImageManifest | Index) -> list[Descriptor]:
    """Manifests that must be in the repository."""
    return manifest.manifests if isinstance(manifest, Index) else []


def artifact_type(manifest: ImageManifest | Index) -> str:
    """What it is: its artifactType, or else its config's type."""
    if manifest.artifact_type:
        return manifest.artifact_type
    return manifest.config.media_type if isinstance(manifest, ImageManifest) else ""
