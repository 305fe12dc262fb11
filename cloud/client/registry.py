"""Pushes an app to an OCI registry: blobs, then the manifest that names them.

Distribution spec v1.1. Blobs that the registry has are not sent again; large ones go in chunks, so
that progress is true and an interrupted push can be repeated cheaply.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from cloud.client.api import NOT_FOUND, Client
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


def push(
    client: Client,
    reference: Reference,
    manifest_json: bytes,
    module: bytes,
    progress: Progress = lambda _sent, _total: None,
) -> str:
    """Push an app (its AppManifest as JSON, its wasm) under a tag; the manifest's digest."""
    total = len(manifest_json) + len(module)
    _push_blob(client, reference.repository, manifest_json, lambda sent: progress(sent, total))
    before = len(manifest_json)
    _push_blob(client, reference.repository, module, lambda sent: progress(before + sent, total))
    body = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": ARTIFACT_TYPE,
            "config": _descriptor(CONFIG_TYPE, manifest_json),
            "layers": [_descriptor(MODULE_TYPE, module)],
        },
        sort_keys=True,
    ).encode()
    client.request(
        "PUT",
        f"/v2/{reference.repository}/manifests/{reference.version}",
        content=body,
        headers={"content-type": OCI_MANIFEST},
    )
    return _digest(body)


def _push_blob(
    client: Client, repository: str, blob: bytes, progress: Callable[[int], object]
) -> None:
    digest = _digest(blob)
    if _exists(client, repository, digest):
        progress(len(blob))
        return
    location = client.request("POST", f"/v2/{repository}/blobs/uploads/").headers["location"]
    for start in range(0, len(blob), CHUNK):
        chunk = blob[start : start + CHUNK]
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
        progress(start + len(chunk))
    url = httpx.URL(location).copy_add_param("digest", digest)
    client.request("PUT", str(url))


def _exists(client: Client, repository: str, digest: str) -> bool:
    try:
        client.request("HEAD", f"/v2/{repository}/blobs/{digest}")
    except RefusedError as error:
        if error.code == NOT_FOUND:
            return False
        raise
    return True


def _descriptor(media_type: str, blob: bytes) -> dict[str, str | int]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()
