"""A registry on a real socket, and artifacts to put into it."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from cloud.registry.media import ARTIFACT_TYPE, CONFIG_TYPE, MODULE_TYPE, OCI_MANIFEST
from cloud.registry.registry import Registry
from cloud.registry.routes import registry_routes
from tests.support.data import database_at
from tests.support.serving import serving

WASM = b"\0asm\1\0\0\0"


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def app_config(name: str = "thermo", version: str = "1.0.0") -> bytes:
    return json.dumps({"name": name, "version": version}).encode()


def app_manifest(config: bytes, module: bytes = WASM, /, **changes: Any) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "config": descriptor(CONFIG_TYPE, config),
        "layers": [descriptor(MODULE_TYPE, module)],
        **changes,
    }


@dataclass
class RegistryService:
    """A registry and a client of it."""

    registry: Registry
    client: httpx.AsyncClient
    clock: SetClock
    folder: Path
    url: str

    async def push_blob(self, data: bytes, repository: str = "apps/thermo") -> str:
        response = await self.client.post(
            f"/v2/{repository}/blobs/uploads/", params={"digest": digest_of(data)}, content=data
        )
        assert response.status_code == 201, response.text
        return digest_of(data)

    async def put_manifest(
        self,
        manifest: dict[str, Any],
        reference: str = "v1",
        repository: str = "apps/thermo",
        media_type: str | None = None,
    ) -> httpx.Response:
        return await self.client.put(
            f"/v2/{repository}/manifests/{reference}",
            content=json.dumps(manifest).encode(),
            headers={"content-type": media_type or str(manifest.get("mediaType", OCI_MANIFEST))},
        )

    async def push_app(self, reference: str = "v1", **changes: Any) -> str:
        config = app_config()
        for blob in (config, WASM):
            await self.push_blob(blob)
        response = await self.put_manifest(app_manifest(config, **changes), reference)
        assert response.status_code == 201, response.text
        return response.headers["docker-content-digest"]

    def files(self) -> list[str]:
        """Everything the registry has on disk."""
        return sorted(
            str(path.relative_to(self.folder))
            for part in ("blobs", "uploads")
            for path in (self.folder / part).rglob("*")
            if path.is_file()
        )


@asynccontextmanager
async def registry_service(
    folder: Path, clock: SetClock | None = None, **options: Any
) -> AsyncIterator[RegistryService]:
    clock = clock or SetClock()
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - a test
    async with database_at(folder / "cloud.db") as database:
        registry = Registry(database, folder, clock, **options)
        await registry.start()
        async with (
            serving(Starlette(routes=registry_routes(registry))) as url,
            httpx.AsyncClient(base_url=url, timeout=20) as client,
        ):
            yield RegistryService(registry, client, clock, folder, url)


def error_code(response: httpx.Response) -> str:
    return response.json()["errors"][0]["code"]
