"""The registry without HTTP: blobs, manifests, tags, and the collector of what nobody names.

Rules: a blob's file is durable before a row names it, and its row is gone before its file is; what
a crash leaves between the two is removed at the next start. A blob is visible in the repositories
it is linked to, in no other.
"""

import asyncio
import hashlib
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection

from cloud.clock import Clock
from cloud.registry import index, manifests
from cloud.registry.errors import Code, RegistryError
from cloud.registry.files import PREFIX, BlobFiles
from cloud.registry.index import Manifest
from cloud.registry.names import is_digest
from cloud.registry.schema import LINKS, MANIFESTS
from cloud.registry.uploads import ROOM_KEPT, Uploads, nanoseconds
from cloud.store.database import Database

BLOB_LIMIT = 1 << 30
"""Bytes of a blob: a packed image of a card, with room to grow; a module has a limit of its own."""
GARBAGE_AGE_NS = 3600 * 10**9
"""How long a blob may wait for the manifest that names it; a push takes minutes at worst."""
REFERRERS_LIMIT = 1000
"""Referrers shown of one manifest: signatures and attestations are few."""


class Blob(NamedTuple):
    """A blob's file and size."""

    path: Path
    size: int


class Registry:
    """Repositories of blobs and manifests under one folder; names and digests must be checked.

    Concurrency: belongs to one event loop and owns its folder alone.
    """

    def __init__(
        self,
        database: Database,
        root: Path,
        clock: Clock,
        *,
        blob_limit: int = BLOB_LIMIT,
        room_kept: int = ROOM_KEPT,
    ) -> None:
        self._database = database
        self._files = BlobFiles(root)
        self._clock = clock
        self._publishing = asyncio.Lock()
        """Held while files and rows change together, so that the collector sees neither alone."""
        self.uploads = Uploads(database, self._files, clock, blob_limit, room_kept)

    async def start(self) -> None:
        """Make the folders and remove what a crash left; call it before the first request."""
        await asyncio.to_thread(self._files.prepare)
        await self.uploads.sweep()
        known = await self._database.read(index.known_blobs)
        on_disk = await asyncio.to_thread(lambda: set(self._files.digests()))
        for digest in on_disk - known:
            await asyncio.to_thread(self._files.remove, digest)

    async def collect(self) -> int:
        """Remove blobs that no manifest has named for an hour; how many."""
        await self.uploads.sweep()
        before_ns = nanoseconds(self._clock) - GARBAGE_AGE_NS
        async with self._publishing:
            digests = await self._database.write(
                lambda connection: index.take_garbage(connection, before_ns)
            )
            for digest in digests:
                await asyncio.to_thread(self._files.remove, digest)
        return len(digests)

    # --- blobs -----------------------------------------------------------------------------------

    async def blob(self, repository: str, digest: str) -> Blob:
        """A blob of the repository; RegistryError BLOB_UNKNOWN."""
        size = await self._database.read(
            lambda connection: index.blob_size(connection, repository, digest)
        )
        if size is None:
            raise _unknown_blob(repository, digest)
        return Blob(self._files.path(digest), size)

    async def delete_blob(self, repository: str, digest: str) -> None:
        """Take a blob out of the repository; RegistryError BLOB_UNKNOWN."""
        if not await self._database.write(
            lambda connection: index.unlink(connection, repository, digest)
        ):
            raise _unknown_blob(repository, digest)

    async def finish(self, repository: str, upload: str, digest: str) -> None:
        """Make an upload a blob; RegistryError DIGEST_INVALID, and the upload is gone."""
        with self.uploads.hold(upload):
            size = await self.uploads.offset(repository, upload)
            if await asyncio.to_thread(self._files.digest, upload) != digest:
                await self.uploads.forget(upload)
                raise RegistryError(
                    Code.DIGEST_INVALID, "digest: the bytes have another one; upload them again"
                )
            now_ns = nanoseconds(self._clock)

            def record(connection: Connection) -> None:
                index.link(connection, repository, digest, size, now_ns)
                index.end_upload(connection, upload)

            async with self._publishing:
                await asyncio.to_thread(self._files.publish, upload, digest)
                await self._database.write(record)

    async def mount(self, repository: str, digest: str, source: str) -> bool:
        """Link a blob of `source` here as well; False when it is not there."""
        now_ns = nanoseconds(self._clock)

        def work(connection: Connection) -> bool:
            size = index.blob_size(connection, source, digest)
            if size is not None:
                index.link(connection, repository, digest, size, now_ns)
            return size is not None

        async with self._publishing:
            return await self._database.write(work)

    # --- manifests -------------------------------------------------------------------------------

    async def put_manifest(
        self, repository: str, reference: str, media_type: str, content: bytes
    ) -> tuple[str, str]:
        """Keep a manifest under a tag or its digest; its digest and its subject's ("" without).

        RegistryError MANIFEST_INVALID, MANIFEST_BLOB_UNKNOWN, DIGEST_INVALID.
        """
        parsed = manifests.parse(media_type, content)
        digest = PREFIX + hashlib.sha256(content).hexdigest()
        tag = None if is_digest(reference) else reference
        if tag is None and reference != digest:
            raise RegistryError(Code.DIGEST_INVALID, f"reference: the manifest's is {digest}")
        stored = Manifest(digest, media_type, manifests.artifact_type(parsed), content)
        subject = parsed.subject.digest if parsed.subject else ""
        blobs = {each.digest for each in manifests.blobs(parsed)}
        children = {each.digest for each in manifests.children(parsed)}

        def work(connection: Connection) -> None:
            found = index.ensure_repository(connection, repository)
            absent = index.missing(connection, found, LINKS, blobs)
            absent |= index.missing(connection, found, MANIFESTS, children)
            if absent:
                raise RegistryError(
                    Code.MANIFEST_BLOB_UNKNOWN, f"push these first: {', '.join(sorted(absent))}"
                )
            index.put_manifest(connection, found, stored, subject, sorted(blobs | children))
            if tag is not None:
                index.put_tag(connection, found, tag, digest)

        await self._database.write(work)
        return digest, subject

    async def manifest(self, repository: str, reference: str) -> Manifest:
        """A manifest by tag or digest; RegistryError MANIFEST_UNKNOWN."""
        by_digest = is_digest(reference)
        found = await self._database.read(
            lambda connection: index.manifest(
                connection, repository, reference, by_digest=by_digest
            )
        )
        if found is None:
            raise _unknown_manifest(repository, reference)
        return found

    async def delete_manifest(self, repository: str, reference: str) -> None:
        """Forget a tag, or a manifest with all its tags; RegistryError MANIFEST_UNKNOWN."""
        forget = index.delete_manifest if is_digest(reference) else index.delete_tag
        if not await self._database.write(
            lambda connection: forget(connection, repository, reference)
        ):
            raise _unknown_manifest(repository, reference)

    async def referrers(
        self, repository: str, subject: str, artifact_type: str | None
    ) -> list[Manifest]:
        """Manifests about the manifest `subject`."""
        return await self._database.read(
            lambda connection: index.referrers(
                connection, repository, subject, artifact_type, REFERRERS_LIMIT
            )
        )

    async def tags(self, repository: str, after: str, limit: int) -> list[str]:
        """Tags in order; RegistryError NAME_UNKNOWN."""

        def work(connection: Connection) -> list[str] | None:
            found = index.repository_id(connection, repository)
            return None if found is None else index.tags(connection, found, after, limit)

        tags = await self._database.read(work)
        if tags is None:
            raise RegistryError(Code.NAME_UNKNOWN, f"repository: there is no {repository}")
        return tags

    async def repositories(self, after: str, limit: int) -> list[str]:
        """Names of repositories in order."""
        return await self._database.read(
            lambda connection: index.repositories(connection, after, limit)
        )


def _unknown_blob(repository: str, digest: str) -> RegistryError:
    return RegistryError(Code.BLOB_UNKNOWN, f"{repository} has no blob {digest}")


def _unknown_manifest(repository: str, reference: str) -> RegistryError:
    return RegistryError(Code.MANIFEST_UNKNOWN, f"{repository} has no manifest {reference}")
