"""Keys and certificates on the disk: two slots, and a file that names the one in use.

Rules: nothing is ever changed in place; a slot is one file with key and certificate, replaced
whole, 0600; `active` names a slot and is replaced whole too. A power cut at any point leaves the
old identity, or the new one, or the old one and a candidate that is tried again.
"""

from pathlib import Path

import msgspec

from edge.identity.errors import IdentityError
from edge.identity.lifetime import Facts
from edge.private import write_private

SLOTS = ("a", "b")
FILE_LIMIT = 64 << 10
"""Bytes of a slot or of the trust: a key and a few certificates."""


class Slots:
    """A node's identity directory. Blocks for the disk; one caller at a time."""

    def __init__(self, directory: Path) -> None:
        """Make the directory, for its owner alone."""
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        self.pending = directory / "pending.pem"
        """The key of a request that was not answered yet."""

    def active(self) -> Path | None:
        """The identity in use."""
        name = self._active_name()
        path = self._directory / f"{name}.pem"
        return path if name and path.exists() else None

    def candidate(self) -> Path | None:
        """An identity that was not used successfully yet."""
        path = self.next_slot()
        return path if path.exists() else None

    def next_slot(self) -> Path:
        """Where a new identity is written: the slot that is not in use."""
        name = SLOTS[self._active_name() == SLOTS[0]]
        return self._directory / f"{name}.pem"

    def promote(self) -> None:
        """Use the candidate from now on, then drop the older identity."""
        candidate = self.candidate()
        if candidate is None:
            raise IdentityError(f"{self._directory}: there is no new identity to use")
        old = self.active()
        write_private(self._directory / "active", candidate.stem.encode())
        if old is not None:
            old.unlink()
        self.pending.unlink(missing_ok=True)

    def drop_candidate(self) -> None:
        """Forget an identity that did not do."""
        self.next_slot().unlink(missing_ok=True)

    def trust(self) -> str:
        """The CAs to accept, in PEM; empty before the first meeting."""
        try:
            return _read(self._directory / "trust.pem").decode("ascii")
        except FileNotFoundError:
            return ""

    def set_trust(self, pems: list[str]) -> None:
        """Accept these CAs from now on."""
        text = "".join(pems)
        if text != self.trust():
            write_private(self._directory / "trust.pem", text.encode("ascii"))

    def _active_name(self) -> str:
        try:
            name = _read(self._directory / "active").decode("ascii", "replace")
        except FileNotFoundError:
            return ""
        return name if name in SLOTS else ""


def facts_of(slot: Path) -> Facts:
    """The first line of a slot; raises IdentityError."""
    line = _read(slot).partition(b"\n")[0]
    try:
        return msgspec.json.decode(line.removeprefix(b"# "), type=Facts)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise IdentityError(f"{slot}: damaged ({error}); remove it and join again") from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(FILE_LIMIT)
