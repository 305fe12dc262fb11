"""Pushes apps and images to an OCI registry: blobs, then the manifest that names them.

Distribution spec v1.1. Blobs that the registry has are not sent again; large ones go in chunks, so
that progress is true and an interrupted push can be repeated cheaply.
"""

import hashlib
import io
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import httpx

from cloud.client.api import NOT_FOUND, Client, Json
from cloud.client.errors import InputError, RefusedError
from cloud.registry.media import ARTIFACT_TYPE, CONFIG_TYPE, MODULE_TYPE, OCI_MANIFEST

CHUNK = 1 << 20
"""Bytes a request carries: small enough for progress, large enough for few round trips."""

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

    @classmethod
    def of(cls, media_type: str, file: BinaryIO) -> "Blob":
        """Reads the file once, for its digest."""
        digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return cls(media_type, file, f"sha256:{digest}", size)

    def descriptor(self) -> Json:
        """How a manifest names it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


def push(
    client: Client,
    reference: Reference,
    manifest_json: bytes,
    module: bytes,
    progress: Progress = lambda _sent, _total: None,
) -> str:
    """Push an app (its AppManifest as JSON, its wasm) under a tag; the manifest's digest."""
    config = Blob.of(CONFIG_TYPE, io.BytesIO(manifest_json))
    layer = Blob.of(MODULE_TYPE, io.BytesIO(module))
    return push_artifact(client, reference, ARTIFACT_TYPE, config, layer, progress)


def push_artifact(
    client: Client,
    reference: Reference,
    artifact_type: str,
    config: Blob,
    layer: Blob,
    progress: Progress = lambda _sent, _total: None,
) -> str:
    """Push an artifact of one layer under a tag; the manifest's digest."""
    total = config.size + layer.size
    _push_blob(client, reference.repository, config, lambda sent: progress(sent, total))
    before = config.size
    _push_blob(client, reference.repository, layer, lambda sent: progress(before + sent, total))
    body = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": artifact_type,
            "config": config.descriptor(),
            "layers": [layer.descriptor()],
        },
        sort_keys=True,
    ).encode()
    client.request(
        "PUT",
        f"/v2/{reference.repository}/manifests/{reference.version}",
        content=body,
        headers={"content-type": OCI_MANIFEST},
    )
    return "sha256:" + hashlib.sha256(body).hexdigest()


def _push_blob(
    client: Client, repository: str, blob: Blob, progress: Callable[[int], object]
) -> None:
    if _exists(client, repository, blob.digest):
        progress(blob.size)
        return
    location = client.request("POST", f"/v2/{repository}/blobs/uploads/").headers["location"]
    start = 0
    while chunk := blob.file.read(CHUNK):
        response = client.request(
            "PATCH",
            location,
            content=chunk,
            headers={
                "content-type": "application/octet-stream",
                "content-range": f"{start}-{start + len(chunk) - 1}",
            },
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
