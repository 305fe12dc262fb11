"""Who holds the key that secrets are sealed with: a file here; a TPM or PKCS#11 token elsewhere.

Rules: the key never leaves its holder. The file lies beside the database, not in it, so that a
copied database or backup of it tells nothing; who has the whole disk has both, and only a holder
in hardware answers that.
"""

import os
from pathlib import Path
from typing import Protocol

from edge.aead import KEY_BYTES, seal, unseal
from edge.errors import KeyStoreError


class KeyHolder(Protocol):
    """Seals and opens with a key of its own. Any thread may call."""

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt, bound to a context."""
        ...

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """The inverse; raises SealBrokenError."""
        ...


def key_holder(address: str, file: Path) -> KeyHolder:
    """The token at an address of RFC 7512, or without one the key in `file`.

    Raises KeyStoreError for a wrong address, and without the library for tokens.
    """
    if not address:
        return FileKey(file)
    try:
        from edge.pkcs11 import TokenKey, parse  # noqa: PLC0415 - megabytes, for those who ask
    except ImportError as error:
        raise KeyStoreError(f"--key-store: {error}; pip install 'skerry[hsm]'") from error
    return TokenKey(parse(address))


class FileKey:
    """A key in a file that only its owner can read; made when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt, bound to a context; raises OSError when the file cannot be made or read."""
        return seal(self._key(), plain, context)

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """The inverse; raises SealBrokenError, OSError."""
        return unseal(self._key(), sealed, context)

    def _key(self) -> bytes:
        if not self._path.exists():
            self._make()
        key = self._path.read_bytes()
        if len(key) != KEY_BYTES:
            raise OSError(f"{self._path}: {len(key)} bytes, a key has {KEY_BYTES}; restore it")
        return key

    def _make(self) -> None:
        """Whole or not at all: a power cut leaves no half a key."""
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, os.urandom(KEY_BYTES))
            os.fsync(file)
        finally:
            os.close(file)
        try:
            os.link(part, self._path)
        except FileExistsError:
            return  # another thread was first, and its key is the one
        finally:
            part.unlink()
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
