"""A person's keys: one directory, mode 0700, that belongs on a desk or in CI and never in the cloud.

`root.cose` is the newest root of trust, for nodes; `root-N.cose` is each version; `ID.pem` is a
private key, named after the first half of its id. The root says what a key is for.
"""

import getpass
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from cloud.client.errors import InputError
from edge.trust.errors import KeyFileError, TrustError
from edge.trust.keys import SEED_BYTES, SigningKey, key_id
from edge.trust.root import ROOT_ROLE, ROOT_TYPE, Role, Root, decode_root, encode_root
from edge.trust.signed import BUNDLE_LIMIT, Signed, read
from edge.trust.signing import signers, with_signatures

PASSPHRASE = "SKERRY_PASSPHRASE"  # noqa: S105 - a name
"""Environment variable that answers the question for a passphrase."""
PEM_LIMIT = 16 << 10
"""Bytes of a key file; an encrypted one has 300."""
_ENCRYPTED = b"-----BEGIN ENCRYPTED"


class Keyring:
    """The directory and what is in it. One person at a time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.expanduser()
        self._passphrase: bytes | None = None

    @property
    def exists(self) -> bool:
        """Whether keys were made here."""
        return (self.directory / "root.cose").exists()

    @property
    def root_file(self) -> Path:
        """The newest root, to give to nodes."""
        return self.directory / "root.cose"

    def create(self) -> None:
        """Make the directory; InputError when it holds keys."""
        if self.exists:
            raise InputError(
                f"{self.directory}: there are keys; `skerry keys rotate` replaces them"
            )
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.chmod(0o700)

    def root(self) -> Root:
        """The newest root; InputError without one."""
        return self._decoded(self.root_file)

    def roots(self) -> Iterator[tuple[int, bytes]]:
        """Every version and its bytes, in order."""
        for version in range(1, self.root().version + 1):
            path = self.directory / f"root-{version}.cose"
            if not path.exists():
                raise InputError(f"{path}: missing; nodes prove each version by the one before")
            yield version, path.read_bytes()

    def has(self, key: str) -> bool:
        """Whether the private half of a key is here."""
        return self._key_file(key).exists()

    def encrypted(self, key: str) -> bool:
        """Whether its file asks for a passphrase."""
        return self._key_file(key).read_bytes().startswith(_ENCRYPTED)

    def signing_keys(self, root: Root, role: str) -> list[SigningKey]:
        """The private keys of a role that are here; raises InputError."""
        return [self._load(name) for name in root.keys_of(role) if self.has(name)]

    def new_keys(self, count: int) -> list[SigningKey]:
        """Keys from the system's randomness, not kept yet."""
        return [SigningKey.from_seed(os.urandom(SEED_BYTES)) for _ in range(count)]

    def keep(self, keys: Iterable[SigningKey], passphrase: bytes | None) -> None:
        """Write private keys, mode 0600, on disk when this returns."""
        for key in keys:
            _write(self._key_file(key.id), key.pem(passphrase), 0o600)

    def publishable(self, root: Root, keys: Iterable[SigningKey]) -> bytes:
        """The root with signatures; InputError when its own threshold is not met."""
        try:
            signed = with_signatures(Signed(encode_root(root), ()), keys, ROOT_TYPE)
        except TrustError as error:
            raise InputError(str(error)) from None
        role = root.roles[ROOT_ROLE]
        if len(signers(signed, root.keys_of(ROOT_ROLE))) < role.threshold:
            raise InputError(f"{self.directory}: {role.threshold} root keys must be here to sign")
        return signed.to_bytes()

    def keep_root(self, version: int, data: bytes) -> None:
        """Write a version of the root and make it the newest."""
        _write(self.directory / f"root-{version}.cose", data, 0o644)
        _write(self.root_file, data, 0o644)

    def retire(self, keys: Iterable[str]) -> None:
        """Remove private keys that no root names any more."""
        for key in keys:
            self._key_file(key).unlink(missing_ok=True)

    def ask_passphrase(self) -> bytes:
        """Of whoever sits there, or from the environment; InputError when there is neither."""
        if self._passphrase is None:
            given = os.environ.get(PASSPHRASE)
            if given is None and not sys.stdin.isatty():
                raise InputError(f"the keys need a passphrase; set {PASSPHRASE}")
            self._passphrase = (given or getpass.getpass("passphrase of the keys: ")).encode()
        return self._passphrase

    def _load(self, name: str) -> SigningKey:
        path = self._key_file(name)
        try:
            with path.open("rb") as file:
                pem = file.read(PEM_LIMIT)
            passphrase = self.ask_passphrase() if pem.startswith(_ENCRYPTED) else None
            key = SigningKey.from_pem(pem, passphrase)
        except (KeyFileError, OSError) as error:
            raise InputError(f"{path}: {error}") from None
        if key.id != name:
            raise InputError(f"{path}: holds another key than its name says")
        return key

    def _key_file(self, name: str) -> Path:
        return self.directory / f"{name[:32]}.pem"

    def _decoded(self, path: Path) -> Root:
        try:
            with path.open("rb") as file:
                return decode_root(read(file.read(BUNDLE_LIMIT + 1), ROOT_TYPE).payload)
        except FileNotFoundError:
            raise InputError(f"{path}: no keys here; `skerry keys init` makes them") from None
        except (TrustError, OSError) as error:
            raise InputError(f"{path}: {error}") from None


def new_root(version: int, expires: int, roles: dict[str, tuple[list[bytes], int]]) -> Root:
    """A root from public keys and thresholds by role; raises nothing, `encode_root` checks it."""
    keys = {key_id(public): public for publics, _ in roles.values() for public in publics}
    named = {
        role: Role(keys=[key_id(public) for public in publics], threshold=threshold)
        for role, (publics, threshold) in roles.items()
    }
    return Root(version=version, expires=expires, keys=keys, roles=named)


def _write(path: Path, data: bytes, mode: int) -> None:
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123 - the mode from the first moment
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
