"""Pushes apps, firmware and images to an OCI registry: blobs, then the manifest that names them.

Distribution spec v1.1. Blobs that the registry has are not sent again; large ones go in chunks, so
that progress is true and an interrupted push can be repeated cheaply.
"""

import base64
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import httpx
from tqdm import tqdm

from cloud.client.api import NOT_FOUND, Client, Json
from cloud.client.errors import InputError, RefusedError
from cloud.registry.media import (
    ARTIFACT_TYPE,
    CONFIG_TYPE,
    COSE_TYPE,
    EMPTY_TYPE,
    FILES_TYPE,
    FIRMWARE_CONFIG_TYPE,
    FIRMWARE_IMAGE_TYPE,
    FIRMWARE_TYPE,
    MODULE_TYPE,
    OCI_MANIFEST,
    ROOT_TYPE,
    RUNTIME_TYPE,
    SIGNATURE_TYPE,
    signature_tag,
)
from edge.trust.root import ROOT_REPOSITORY
from edge.wire.limits import FIRMWARE_LIMIT

CHUNK = 1 << 20
"""Bytes a request carries: small enough for progress, large enough for few round trips."""

AT_ONCE = 64 << 10
"""Bytes up to which a blob goes in one request: the files of an app, a manifest, a signature."""
_BYTES = {"content-type": "application/octet-stream"}
RUNTIMES = "runtimes"
"""Repository of the modules that apps share, each under its digest."""

_EMPTY = b"{}"
_REFERENCE = re.compile(
    r"^(?P<repository>[a-z0-9]+(?:[._/-][a-z0-9]+)*)"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?$"
)

Progress = Callable[[int, int], object]
"""Called with bytes sent and bytes in all."""


@dataclass(frozen=True, slots=True)
class Reference:
    """`repository:tag` or `repository@sha256:…`."""

    repository: str
    version: str
    """Tag or digest."""

    @classmethod
    def parse(cls, text: str, default: str = "latest") -> "Reference":
        """Read a reference; raises InputError."""
        match = _REFERENCE.match(text)
        if match is None:
            raise InputError(f"{text!r} is no artifact reference; write repository:tag")
        return cls(match["repository"], match["digest"] or match["tag"] or default)


@dataclass(frozen=True, slots=True)
class Blob:
    """Content of an artifact; `file` stands at its beginning."""

    media_type: str
    file: BinaryIO
    digest: str
    size: int
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
    """Annotations where a manifest names it."""

    @classmethod
    def of(cls, media_type: str, file: BinaryIO, notes: Mapping[str, str] | None = None) -> "Blob":
        """Reads the file once, for its digest."""
        digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return cls(media_type, file, f"sha256:{digest}", size, notes or {})

    def descriptor(self) -> Json:
        """How a manifest names it."""
        named = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        return named | ({"annotations": dict(self.notes)} if self.notes else {})


@dataclass(frozen=True, slots=True)
class Layer:
    """What is to become a blob of an artifact."""

    media_type: str
    content: bytes
    notes: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Made:
    """An artifact to push: our manifest of it as JSON, and its layers."""

    artifact_type: str
    config_type: str
    config: bytes
    layers: tuple[Layer, ...]
    shared: bool = False
    """Its first layer is a runtime that many artifacts have."""

    @property
    def oci(self) -> bytes:
        """Its OCI manifest; equal content has equal bytes."""
        return _manifest(
            self.artifact_type,
            _held(self.config_type, self.config).descriptor(),
            *(_of(layer).descriptor() for layer in self.layers),
        )

    @property
    def size(self) -> int:
        """Bytes of what is pushed."""
        return len(self.config) + sum(len(layer.content) for layer in self.layers)


def app_artifact(manifest_json: bytes, module: bytes, files: bytes = b"") -> Made:
    """An app: its AppManifest, its wasm, and the files that this runs when it is a runtime."""
    layers = (Layer(MODULE_TYPE, module), *([Layer(FILES_TYPE, files)] if files else []))
    return Made(ARTIFACT_TYPE, CONFIG_TYPE, manifest_json, layers, shared=bool(files))


def firmware_artifact(manifest_json: bytes, image: bytes, patches: Sequence[Layer] = ()) -> Made:
    """A firmware: its FirmwareManifest, its image, and shorter ways to it."""
    layers = (Layer(FIRMWARE_IMAGE_TYPE, image), *patches)
    return Made(FIRMWARE_TYPE, FIRMWARE_CONFIG_TYPE, manifest_json, layers)


def app_manifest(manifest_json: bytes, module: bytes, files: bytes = b"") -> bytes:
    """The OCI manifest of an app."""
    return app_artifact(manifest_json, module, files).oci


def push(
    client: Client,
    reference: Reference,
    made: Made,
    progress: Progress = lambda _sent, _total: None,
    *,
    signature: bytes = b"",
) -> str:
    """Push an app or a firmware under a tag; the OCI manifest's digest.

    What is shared is sent only when the registry has it nowhere. The signature goes first: an object
    that waits for this tag never sees it unsigned.
    """
    if signature:
        _push_signature(client, reference.repository, made.oci, signature)
    config, layers = _held(made.config_type, made.config), [*map(_of, made.layers)]
    if made.shared and not _exists(client, reference.repository, layers[0].digest):
        _share_runtime(client, reference.repository, layers[0])
    return push_artifact(client, reference, made.artifact_type, config, layers, progress)


def push_signed(
    client: Client,
    reference: Reference,
    made: Made,
    sign: Callable[[bytes], bytes],
    *,
    quiet: bool = False,
) -> str:
    """Push it with a bar, signed by `sign`, which is given the signatures that are there."""
    held = signatures(client, reference.repository, digest_of(made.oci))
    signature = sign(held)
    with tqdm(
        total=made.size,
        unit="B",
        unit_scale=True,
        desc=f"push {reference.repository}:{reference.version}",
        disable=quiet or None,  # None: quiet when not a terminal
    ) as bar:
        return push(
            client, reference, made, lambda sent, _: bar.update(sent - bar.n), signature=signature
        )


def push_artifact(
    client: Client,
    reference: Reference,
    artifact_type: str,
    config: Blob,
    layers: Sequence[Blob],
    progress: Progress = lambda _sent, _total: None,
) -> str:
    """Push an artifact under a tag; the manifest's digest."""
    blobs = (config, *layers)
    total, done = sum(blob.size for blob in blobs), 0

    def sent(of_blob: int) -> None:
        progress(done + of_blob, total)

    for blob in blobs:
        _push_blob(client, reference.repository, blob, sent)
        done += blob.size
    body = _manifest(artifact_type, config.descriptor(), *(each.descriptor() for each in layers))
    _put(client, reference.repository, reference.version, body)
    return digest_of(body)


def signatures(client: Client, repository: str, digest: str) -> bytes:
    """What is there of an artifact's signatures; nothing when there are none."""
    found = _find(client, repository, signature_tag(digest))
    if found is None:
        return b""
    layer = found["layers"][0]["digest"]
    return client.request("GET", f"/v2/{repository}/blobs/{layer}").content


def former_signatures(client: Client, reference: Reference) -> bytes:
    """Those of what a tag names now; nothing when it names nothing, or nobody signed that."""
    answer = _get(client, reference.repository, reference.version)
    if answer is None:
        return b""
    return signatures(client, reference.repository, digest_of(answer.content))


def image_of(client: Client, reference: Reference) -> bytes:
    """The image of a firmware that was pushed; raises InputError."""
    name = f"{reference.repository}:{reference.version}"
    found = _find(client, reference.repository, reference.version)
    if found is None or found.get("artifactType") != FIRMWARE_TYPE:
        what = "there is no such file and no such firmware" if found is None else "is no firmware"
        raise InputError(f"{name}: {what} at {client.url}")
    layer = found["layers"][0]
    if layer["size"] > FIRMWARE_LIMIT:
        raise InputError(f"{name}: {layer['size']} bytes, an image has up to {FIRMWARE_LIMIT}")
    where = f"/v2/{reference.repository}/blobs/{layer['digest']}"
    image = client.request("GET", where).content
    if digest_of(image) != layer["digest"]:
        raise InputError(f"{name}: {client.url} sent other bytes than its digest says")
    return image


def push_root(client: Client, version: int, root: bytes) -> bool:
    """Publish a root of trust; False when it is there. InputError when another one is."""
    found = _find(client, ROOT_REPOSITORY, str(version))
    if found is not None:
        if found["layers"][0]["digest"] != digest_of(root):
            raise InputError(
                f"{client.url} publishes another version {version} of the root of trust: these are "
                "the keys of another fleet, or of an older copy; see `skerry keys list`"
            )
        return False
    empty, layer = _held(EMPTY_TYPE, _EMPTY), _held(COSE_TYPE, root)
    for blob in (empty, layer):
        _push_blob(client, ROOT_REPOSITORY, blob, _ignore)
    inline = {"data": base64.b64encode(root).decode()}
    body = _manifest(ROOT_TYPE, empty.descriptor(), layer.descriptor() | inline)
    _put(client, ROOT_REPOSITORY, str(version), body)
    return True


def root_version(client: Client) -> int:
    """Newest root of trust that the cloud publishes; 0 when none."""
    try:
        found = client.json("GET", f"/v2/{ROOT_REPOSITORY}/tags/list")
    except RefusedError as error:
        if error.code == NOT_FOUND:
            return 0
        raise
    return max((int(tag) for tag in found["tags"] if tag.isdecimal()), default=0)


def _push_signature(client: Client, repository: str, signed: bytes, signature: bytes) -> None:
    """Beside the manifest `signed`, whether that is there yet or not."""
    empty, layer = _held(EMPTY_TYPE, _EMPTY), _held(COSE_TYPE, signature)
    for blob in (empty, layer):
        _push_blob(client, repository, blob, _ignore)
    subject = {"mediaType": OCI_MANIFEST, "digest": digest_of(signed), "size": len(signed)}
    carrier = _manifest(SIGNATURE_TYPE, empty.descriptor(), layer.descriptor(), subject=subject)
    _put(client, repository, signature_tag(digest_of(signed)), carrier)


def _share_runtime(client: Client, repository: str, runtime: Blob) -> None:
    """Have a runtime in this repository without sending it, unless the registry has none.

    A manifest of its own keeps it there when the last app that uses it is gone, and makes it
    known to those who push the next.
    """
    if not _exists(client, RUNTIMES, runtime.digest):
        empty = _held(EMPTY_TYPE, _EMPTY)
        tag = runtime.digest.removeprefix("sha256:")
        push_artifact(client, Reference(RUNTIMES, tag), RUNTIME_TYPE, empty, [runtime])
        runtime.file.seek(0)
    where = {"mount": runtime.digest, "from": RUNTIMES}
    client.request("POST", f"/v2/{repository}/blobs/uploads/", params=where)


def _manifest(
    artifact_type: str, config: Json, *layers: Json, subject: Json | None = None
) -> bytes:
    body: Json = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": config,
        "layers": layers,
    }
    return json.dumps(body | ({"subject": subject} if subject else {}), sort_keys=True).encode()


def _put(client: Client, repository: str, reference: str, body: bytes) -> None:
    client.request(
        "PUT",
        f"/v2/{repository}/manifests/{reference}",
        content=body,
        headers={"content-type": OCI_MANIFEST},
    )


def _find(client: Client, repository: str, reference: str) -> Json | None:
    answer = _get(client, repository, reference)
    if answer is None:
        return None
    manifest: Json = answer.json()
    return manifest


def _get(client: Client, repository: str, reference: str) -> httpx.Response | None:
    """A manifest, its bytes as they are stored; None when there is none."""
    try:
        return client.request("GET", f"/v2/{repository}/manifests/{reference}")
    except RefusedError as error:
        if error.code == NOT_FOUND:
            return None
        raise


def _push_blob(
    client: Client, repository: str, blob: Blob, progress: Callable[[int], object]
) -> None:
    if _exists(client, repository, blob.digest):
        progress(blob.size)
        return
    uploads = f"/v2/{repository}/blobs/uploads/"
    if blob.size <= AT_ONCE:
        digest = {"digest": blob.digest}
        client.request("POST", uploads, params=digest, content=blob.file.read(), headers=_BYTES)
        progress(blob.size)
        return
    location = client.request("POST", uploads).headers["location"]
    start = 0
    while chunk := blob.file.read(CHUNK):
        response = client.request(
            "PATCH",
            location,
            content=chunk,
            headers=_BYTES | {"content-range": f"{start}-{start + len(chunk) - 1}"},
        )
        location = response.headers["location"]
        start += len(chunk)
        progress(start)
    url = httpx.URL(location).copy_add_param("digest", blob.digest)
    client.request("PUT", str(url))


def _exists(client: Client, repository: str, digest: str) -> bool:
    try:
        client.request("HEAD", f"/v2/{repository}/blobs/{digest}")
    except RefusedError as error:
        if error.code == NOT_FOUND:
            return False
        raise
    return True


def _ignore(_sent: int) -> None:
    """Small blobs need no progress."""


def _of(layer: Layer) -> Blob:
    return Blob.of(layer.media_type, io.BytesIO(layer.content), layer.notes)


def _held(media_type: str, data: bytes) -> Blob:
    return Blob.of(media_type, io.BytesIO(data))


def digest_of(blob: bytes) -> str:
    """`sha256:…`."""
    return "sha256:" + hashlib.sha256(blob).hexdigest()
