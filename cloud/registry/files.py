"""Blobs as files named by their digest, and uploads that are not yet blobs.

Rules: a file under `blobs/` is whole and its content is its name: it is moved there only after its
digest was checked and it was fsynced. Everything here blocks: call it in a thread.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

PREFIX = "sha256:"


class BlobFiles:
    """`root/blobs/sha256/ab/abcd…` and `root/uploads/<id>`.

    Takes only digests and ids that were checked; concurrency: one writer per upload.
    """

    def __init__(self, root: Path) -> None:
        self._blobs = root / "blobs" / "sha256"
        self._uploads = root / "uploads"

    def prepare(self) -> None:
        """Make the folders."""
        self._blobs.mkdir(parents=True, exist_ok=True)
        self._uploads.mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Where the blob is, or would be."""
        hex_digits = digest.removeprefix(PREFIX)
        return self._blobs / hex_digits[:2] / hex_digits

    def free(self) -> int:
        """Bytes that the disk has left."""
        return shutil.disk_usage(self._uploads).free

    def create(self, upload: str) -> None:
        """Start an empty upload."""
        self._upload(upload).touch(exist_ok=False)

    def offset(self, upload: str) -> int | None:
        """Bytes the upload has; None when it is gone."""
        try:
            return self._upload(upload).stat().st_size
        except FileNotFoundError:
            return None

    def append(self, upload: str, data: bytes | bytearray) -> None:
        """Add bytes at the end."""
        with self._upload(upload).open("r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(data)

    def truncate(self, upload: str, size: int) -> None:
        """Forget what follows the first `size` bytes."""
        os.truncate(self._upload(upload), size)

    def digest(self, upload: str) -> str:
        """The digest of what the upload has."""
        with self._upload(upload).open("rb") as file:
            return PREFIX + hashlib.file_digest(file, "sha256").hexdigest()

    def publish(self, upload: str, digest: str) -> None:
        """Make the upload the blob `digest`, which it must be; durable when this returns."""
        source, target = self._upload(upload), self.path(digest)
        with source.open("rb") as file:
            os.fsync(file.fileno())
        if not target.parent.is_dir():
            target.parent.mkdir(exist_ok=True)
            _sync_folder(self._blobs)
        source.replace(target)
        _sync_folder(target.parent)

    def discard(self, upload: str) -> None:
        """Forget an upload, also one that is gone."""
        self._upload(upload).unlink(missing_ok=True)

    def remove(self, digest: str) -> None:
        """Remove a blob, also one that is gone."""
        self.path(digest).unlink(missing_ok=True)

    def uploads(self) -> Iterator[str]:
        """Ids of the uploads on disk."""
        return (path.name for path in self._uploads.iterdir())

    def digests(self) -> Iterator[str]:
        """Digests of the blobs on disk."""
        return (PREFIX + path.name for path in self._blobs.glob("*/*"))

    def _upload(self, upload: str) -> Path:
        return self._uploads / upload


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
