"""Apps and firmware in the registry: what an artifact must be to be deployed.

An OCI image manifest with our artifactType, a manifest of ours in JSON as config, and one layer: a
module or an image. When the module is a runtime, a second one holds the files it runs; after an image
there may be patches to it, which no signature covers.
docs/decisions/2026-11-23-app-artifact-format.md and 2026-11-29-python-app-format.md say why.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from msgspec import UNSET, Struct, field

from cloud.registry import manifests
from cloud.registry.errors import ArtifactInvalidError, ArtifactNotFoundError, RegistryError
from cloud.registry.manifests import Descriptor, ImageManifest
from cloud.registry.media import (
    ARTIFACT_TYPE,
    CONFIG_TYPE,
    FILES_TYPE,
    FIRMWARE_CONFIG_TYPE,
    FIRMWARE_IMAGE_TYPE,
    FIRMWARE_PATCH_TYPE,
    FIRMWARE_TYPE,
    MODULE_TYPE,
    PATCH_BASE,
    PATCH_RESULT,
    signature_tag,
)
from cloud.registry.names import check_name
from cloud.registry.registry import Registry
from edge.wire.firmware import FirmwareManifest, FirmwarePatch
from edge.wire.limits import PATCHES_LIMIT, SIGNATURE_LIMIT, SPEC_LIMIT
from edge.wire.manifest import AppManifest
from edge.wire.messages import Files, Module

CONFIG_LIMIT = SPEC_LIMIT
"""Bytes of a manifest; it must fit the spec that travels to a node."""

T = TypeVar("T")
B = TypeVar("B", Module, Files)


@dataclass(frozen=True, slots=True)
class _Form:
    """What an artifact of one sort is made of."""

    sort: str
    verb: str
    """What pushes it."""
    artifact_type: str
    config_type: str
    layer_type: str
    more_type: str
    """Of the layers that may follow."""
    more_limit: int


_APP = _Form(
    "an app's manifest",
    "skerry app push",
    ARTIFACT_TYPE,
    CONFIG_TYPE,
    MODULE_TYPE,
    FILES_TYPE,
    1,
)
_FIRMWARE = _Form(
    "a firmware's manifest",
    "skerry firmware push",
    FIRMWARE_TYPE,
    FIRMWARE_CONFIG_TYPE,
    FIRMWARE_IMAGE_TYPE,
    FIRMWARE_PATCH_TYPE,
    PATCHES_LIMIT,
)


class ResolvedApp(Struct, frozen=True, kw_only=True):
    """An app as it is in the registry now."""

    digest: str
    """Of the OCI manifest: the same app for ever, whatever happens to the tag."""
    manifest: AppManifest
    module: Module
    files: Files | None = None
    signature: bytes = b""
    """Not judged here: the node does not believe the cloud."""


class ResolvedFirmware(Struct, frozen=True, kw_only=True):
    """A firmware as it is in the registry now; as ResolvedApp."""

    digest: str
    manifest: FirmwareManifest
    image: Module
    patches: list[FirmwarePatch] = field(default_factory=list[FirmwarePatch])
    signature: bytes = b""


class Artifacts:
    """Reads apps and firmware out of a registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def resolve(self, repository: str, reference: str) -> ResolvedApp:
        """The app under a tag or digest; raises ArtifactNotFoundError, ArtifactInvalidError."""
        digest, manifest, layers = await self._read(repository, reference, _APP, AppManifest)
        module = _blob(Module, repository, "layers[0]", layers)
        files = _blob(Files, repository, "layers[1]", layers) if len(layers) > 1 else None
        _check_files(manifest, files)
        return ResolvedApp(
            digest=digest,
            manifest=manifest,
            module=module,
            files=files,
            signature=await self._signature(repository, digest),
        )

    async def firmware(self, repository: str, reference: str) -> ResolvedFirmware:
        """The firmware under a tag or digest; raises as `resolve` does."""
        digest, manifest, layers = await self._read(
            repository, reference, _FIRMWARE, FirmwareManifest
        )
        image = _blob(Module, repository, "layers[0]", layers)
        if (manifest.digest, manifest.size) != (image.digest, image.size):
            raise ArtifactInvalidError(
                f"layers[0]: {image.digest} of {image.size} bytes is not the image that the "
                f"manifest names; push it again with `{_FIRMWARE.verb}`"
            )
        return ResolvedFirmware(
            digest=digest,
            manifest=manifest,
            image=image,
            patches=_patches(image, layers),
            signature=await self._signature(repository, digest),
        )

    async def _read(
        self, repository: str, reference: str, form: _Form, kind: type[T]
    ) -> tuple[str, T, dict[str, Descriptor]]:
        """Digest of the OCI manifest, our manifest in its config, its layers by their names."""
        try:
            found = await self._registry.manifest(check_name(repository), reference)
        except RegistryError as error:
            raise ArtifactNotFoundError(
                f"{repository}:{reference}: {error.message}; push it with `{form.verb}`"
            ) from error
        image = _image(found.media_type, found.artifact_type, found.content, form)
        layers = {f"layers[{at}]": layer for at, layer in enumerate(image.layers)}
        for name, each in {"config": image.config, **layers}.items():
            await self._check_size(repository, name, each)
        manifest = await self._manifest(repository, image.config.digest, form, kind)
        return found.digest, manifest, layers

    async def _signature(self, repository: str, digest: str) -> bytes:
        """What was pushed as the artifact's signatures; nothing when there is none."""
        try:
            found = await self._registry.manifest(repository, signature_tag(digest))
        except RegistryError:
            return b""
        image = manifests.parse(found.media_type, found.content)
        if not isinstance(image, ImageManifest) or len(image.layers) != 1:
            raise ArtifactInvalidError(f"{signature_tag(digest)}: holds no signatures; push again")
        try:
            blob = await self._registry.blob(repository, image.layers[0].digest)
        except RegistryError as error:
            raise ArtifactNotFoundError(f"signature: {error.message}; push it again") from error
        if blob.size > SIGNATURE_LIMIT:
            raise ArtifactInvalidError(f"signature: {blob.size} bytes exceed {SIGNATURE_LIMIT}")
        return await asyncio.to_thread(blob.path.read_bytes)

    async def _check_size(self, repository: str, name: str, descriptor: Descriptor) -> None:
        try:
            blob = await self._registry.blob(repository, descriptor.digest)
        except RegistryError as error:
            raise ArtifactNotFoundError(f"{name}: {error.message}; push it again") from error
        if blob.size != descriptor.size:
            raise ArtifactInvalidError(
                f"{name}.size: says {descriptor.size}, the blob has {blob.size} bytes"
            )

    async def _manifest(self, repository: str, digest: str, form: _Form, kind: type[T]) -> T:
        blob = await self._registry.blob(repository, digest)
        if blob.size > CONFIG_LIMIT:
            raise ArtifactInvalidError(f"config.size: {blob.size} exceeds {CONFIG_LIMIT}")
        content = await asyncio.to_thread(blob.path.read_bytes)
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ArtifactInvalidError(f"config: not {form.sort}: {error}") from error


def _image(media_type: str, artifact_type: str, content: bytes, form: _Form) -> ImageManifest:
    image = manifests.parse(media_type, content)
    if not isinstance(image, ImageManifest):
        raise ArtifactInvalidError("mediaType: an index; deploy one of its manifests by digest")
    if artifact_type not in {form.artifact_type, form.config_type}:
        raise ArtifactInvalidError(f"artifactType: {artifact_type!r} is not {form.artifact_type}")
    if image.config.media_type != form.config_type:
        raise ArtifactInvalidError(f"config.mediaType: must be {form.config_type}")
    first, *more = [layer.media_type for layer in image.layers] or [""]
    if (
        first != form.layer_type
        or len(more) > form.more_limit
        or any(each != form.more_type for each in more)
    ):
        after = f"and after it at most {form.more_limit} of {form.more_type}"
        raise ArtifactInvalidError(f"layers: must be one of type {form.layer_type}, {after}")
    return image


def _blob(kind: type[B], repository: str, name: str, layers: Mapping[str, Descriptor]) -> B:
    layer = layers[name]
    try:
        return msgspec.convert(
            {"repository": repository, "digest": layer.digest, "size": layer.size}, kind
        )
    except msgspec.ValidationError as error:
        raise ArtifactInvalidError(f"{name}: {error}") from error


def _patches(image: Module, layers: Mapping[str, Descriptor]) -> list[FirmwarePatch]:
    found: dict[str, FirmwarePatch] = {}
    for name, layer in [*layers.items()][1:]:
        notes = layer.annotations
        raw = {"base": notes.get(PATCH_BASE, ""), "digest": layer.digest, "size": layer.size}
        try:
            patch = msgspec.convert(raw, FirmwarePatch)
        except msgspec.ValidationError as error:
            raise ArtifactInvalidError(f"{name}: no patch that a node takes: {error}") from error
        if notes.get(PATCH_RESULT) != image.digest:
            raise ArtifactInvalidError(
                f"{name}.annotations.{PATCH_RESULT}: not the image of layers[0]; push it again"
            )
        if patch.base in found:
            raise ArtifactInvalidError(f"{name}: another patch from the same image")
        found[patch.base] = patch
    return [*found.values()]


def _check_files(manifest: AppManifest, files: Files | None) -> None:
    if manifest.runtime is UNSET and files is not None:
        raise ArtifactInvalidError("layers[1]: files that nothing runs: config names no runtime")
    if manifest.runtime is not UNSET and files is None:
        raise ArtifactInvalidError(
            f"layers: config.runtime is {manifest.runtime.value}, which needs files as layers[1]"
        )
