"""The CA's keys on the disk, made at the first start; which CA signs, which are trusted.

Rules: private keys are 0600 in a directory of 0700 and written nowhere else. Every file is
replaced whole. Rotation has three steps: `rotate` makes a second CA that everybody shall trust,
`activate` signs with it, `retire` forgets the first. A CA that follows another is also certified
by it, and the service shows that, so that a node that was away still knows whom it meets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from msgspec import Struct, structs

from cloud.pki import certificates
from cloud.pki.certificates import Certificate, Signer
from cloud.pki.errors import PkiError
from edge.private import write_private

SERVER_LIFE = timedelta(days=90)
SERVER_RENEW = timedelta(days=30)
"""Before its end the service's certificate is made anew."""
_STATE = "authority.json"


class _State(Struct, frozen=True):
    active: int
    trusted: list[int]


@dataclass(frozen=True, slots=True)
class Generation:
    """One CA; `cross` is its certificate by the one before."""

    number: int
    signer: Signer
    cross: Certificate | None


class Authority:
    """Owns the directory. Concurrency: one event loop; each method takes milliseconds."""

    def __init__(self, directory: Path, now: datetime) -> None:
        """Open, or make a first CA. Raises PkiError, OSError."""
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / _STATE
        if not path.exists():
            self._make(1, now, None)
            self._save(_State(1, [1]))
        try:
            self._state = msgspec.json.decode(path.read_bytes(), type=_State)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise PkiError(f"{path}: damaged ({error}); restore it from a backup") from error
        self._generations = {number: self._read(number) for number in self._state.trusted}

    @property
    def signer(self) -> Signer:
        """What signs now."""
        return self._generations[self._state.active].signer

    @property
    def trusted(self) -> list[Certificate]:
        """Every CA to accept: the one that signs first."""
        order = sorted(self._state.trusted, key=lambda number: number != self._state.active)
        return [self._generations[number].signer.certificate for number in order]

    @property
    def incoming(self) -> Certificate | None:
        """The CA that is trusted and does not sign yet."""
        newest = max(self._state.trusted)
        if newest == self._state.active:
            return None
        return self._generations[newest].signer.certificate

    @property
    def outgoing(self) -> list[Certificate]:
        """CAs that are trusted and sign no more."""
        older = [number for number in self._state.trusted if number < self._state.active]
        return [self._generations[number].signer.certificate for number in older]

    def rotate(self, now: datetime) -> Certificate:
        """Make the next CA, trusted from now on. Raises PkiError while a rotation is under way."""
        if len(self._state.trusted) > 1:
            raise PkiError(
                "a rotation is under way; finish it: skerry ca activate, skerry ca retire"
            )
        number = self._state.active + 1
        self._make(number, now, self.signer)
        self._generations[number] = self._read(number)
        self._save(structs.replace(self._state, trusted=[*self._state.trusted, number]))
        return self._generations[number].signer.certificate

    def activate(self) -> None:
        """Sign with the next CA. Raises PkiError when there is none."""
        if self.incoming is None:
            raise PkiError("there is no next CA; make one: skerry ca rotate")
        self._save(structs.replace(self._state, active=max(self._state.trusted)))

    def retire(self) -> list[Certificate]:
        """Trust only the CA that signs; the ones that are gone. Raises PkiError without any."""
        gone = self.outgoing
        if not gone:
            raise PkiError("no CA is to be retired; first: skerry ca rotate, skerry ca activate")
        old = [number for number in self._state.trusted if number < self._state.active]
        self._save(structs.replace(self._state, trusted=[self._state.active]))
        for number in old:
            del self._generations[number]
            for path in self._paths(number):
                path.unlink(missing_ok=True)
        return gone

    def server_file(self, names: Sequence[str], now: datetime) -> Path:
        """Key and chain of the service, made anew when names, CA or time ask for it."""
        path = self._directory / "server.pem"
        if not self._serves(path, names, now):
            key = certificates.new_key()
            made = certificates.make_server(key, names, self.signer, now, SERVER_LIFE)
            texts = [certificates.key_to_pem(key), certificates.to_pem(made)]
            cross = self._generations[self._state.active].cross
            if cross is not None:
                texts.append(certificates.to_pem(cross))
            write_private(path, "".join(texts).encode())
        return path

    def trust_text(self) -> list[str]:
        """The trusted CAs in PEM."""
        return list(map(certificates.to_pem, self.trusted))

    def _serves(self, path: Path, names: Sequence[str], now: datetime) -> bool:
        try:
            found = x509.load_pem_x509_certificates(path.read_bytes())[0]
        except (FileNotFoundError, ValueError):
            return False
        said = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        have = {*said.get_values_for_type(x509.DNSName)}
        have |= {str(address) for address in said.get_values_for_type(x509.IPAddress)}
        return (
            have == set(names)
            and certificates.issued_by(found, [self.signer.certificate])
            and found.not_valid_after_utc - now > SERVER_RENEW
            and found.not_valid_before_utc <= now
        )

    def _make(self, number: int, now: datetime, older: Signer | None) -> None:
        key = certificates.new_key()
        own, cross = self._paths(number)
        if older is not None:
            made = certificates.make_ca(key, now, older)
            write_private(cross, certificates.to_pem(made).encode())
        text = certificates.key_to_pem(key) + certificates.to_pem(certificates.make_ca(key, now))
        write_private(own, text.encode())

    def _read(self, number: int) -> Generation:
        own, cross = self._paths(number)
        try:
            data = own.read_bytes()
            signer = Signer(certificates.read_key(data), x509.load_pem_x509_certificate(data))
            other = x509.load_pem_x509_certificate(cross.read_bytes()) if cross.exists() else None
        except FileNotFoundError as error:
            raise PkiError(
                f"{own}: missing; restore it from a backup. Without it every node must join again"
            ) from error
        except (ValueError, PkiError) as error:
            raise PkiError(f"{own}: damaged ({error}); restore it from a backup") from error
        return Generation(number, signer, other)

    def _paths(self, number: int) -> tuple[Path, Path]:
        return self._directory / f"ca-{number}.pem", self._directory / f"ca-{number}-cross.pem"

    def _save(self, state: _State) -> None:
        write_private(self._directory / _STATE, msgspec.json.encode(state))
        self._state = state
