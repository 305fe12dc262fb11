"""Bytes over http(s): by URL, or by tag from a registry; what breaks off is continued where it broke.

Nothing here is trusted for its address: the flasher checks the digest of what came.
"""

import hashlib
import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from boards.errors import ImageError

TIMEOUT = 30.0
"""Seconds without a byte."""
TRIES = 6
"""Connections in a row that bring nothing, then it is given up: about a minute after the first."""
MANIFEST_LIMIT = 4 << 20
"""Bytes; registries take no larger ones."""
IMAGE_TYPE = "application/vnd.skerry.image.v1"
"""`artifactType` of an image of a card; `skerry image push` writes it."""
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"

_BLOB = re.compile(r"/v2/.+/blobs/sha256:([0-9a-f]{64})$")
_NAMED = re.compile(
    r"(?P<above>.*/v2/(?P<name>[a-z0-9][a-z0-9._/-]*))"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127})|@(?P<digest>sha256:[0-9a-f]{64}))$"
)
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-\d{1,15}/(?:\d{1,15}|\*)")
_BROKEN = (OSError, http.client.HTTPException)
_SKIP = 1 << 20
_REMEDIES = {
    401: "; log in at that cloud first: skerry login",
    403: "; your role there may not read artifacts",
}


@dataclass(frozen=True, slots=True)
class Access:
    """How a server proves who it is, and who asks there; other servers are not told the token."""

    trust: ssl.SSLContext | None = None
    """None: the authorities of this system."""
    token: str | None = field(default=None, repr=False)


STRANGER = Access()


@dataclass(frozen=True, slots=True)
class Place:
    """Where bytes are, and what they must be, when the address says it."""

    url: str
    sha256: str | None


class _Layer(msgspec.Struct, frozen=True):
    digest: str


class _Manifest(msgspec.Struct, frozen=True, rename="camel"):
    layers: list[_Layer]
    artifact_type: str = ""


def locate(url: str, access: Access) -> Place:
    """What a URL stands for: a file, a blob, or an image of a registry, which is asked."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise ImageError(f"{url}: only http and https are read")
    if blob := _BLOB.search(url):
        return Place(url, blob[1])
    named = _NAMED.fullmatch(url)
    if named is None:
        return Place(url, None)
    digest = _digest_of_image(url, named, access)
    return Place(f"{named['above']}/blobs/{digest}", digest.removeprefix("sha256:"))


def trusted(authorities: Path, pin: str | None) -> ssl.SSLContext:
    """Trust in the authorities of a PEM file alone; with a pin, one of them must have that digest."""
    try:
        context = ssl.create_default_context(cafile=authorities)
    except (ssl.SSLError, ValueError) as fault:
        raise ImageError(f"--ca: {authorities}: no certificate in PEM form") from fault
    except OSError as fault:
        raise ImageError(f"--ca: {authorities}: {fault.strerror}") from fault
    digests = {hashlib.sha256(der).hexdigest() for der in context.get_ca_certs(binary_form=True)}
    if pin is not None and pin.removeprefix("sha256:") not in digests:
        raise ImageError(
            f"--ca: {authorities}: none of its certificates has the digest {pin} (--ca-pin); get "
            "the authority's certificate again, from where the pin comes"
        )
    return context


class Download:
    """The body of an answer, read once, in order. Not for several threads."""

    def __init__(
        self,
        url: str,
        access: Access = STRANGER,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url
        self._access = access
        self._pause = pause
        self._at = 0
        self._failed = 0
        self._answer = _open(urllib.request.Request(url), access)  # noqa: S310 - scheme is checked
        length = self._answer.headers.get("Content-Length", "")
        self.total: int | None = int(length) if length.isdigit() else None

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, from a new connection if this one broke; raises ImageError."""
        while True:
            try:
                data = self._answer.read(size)
                reason = "the connection ended"
            except _BROKEN as fault:
                data, reason = b"", str(fault) or type(fault).__name__
            else:
                if data or size == 0 or self._at == self.total or self.total is None:
                    self._at += len(data)
                    self._failed = 0
                    return data
            self._continue(reason)

    def close(self) -> None:
        """Idempotent."""
        self._answer.close()

    def _continue(self, reason: str) -> None:
        """Another answer that begins where the last one broke."""
        self._answer.close()
        while self._failed < TRIES:
            self._pause(2.0**self._failed)
            self._failed += 1
            request = urllib.request.Request(  # noqa: S310 - scheme is checked
                self._url, headers={"Range": f"bytes={self._at}-"}
            )
            try:
                self._answer = _open(request, self._access)
                self._skip()
            except _BROKEN as fault:
                reason = str(fault)
            except _RefusedError as fault:
                if not fault.passing:
                    raise
                reason = str(fault)
            else:
                return
        raise ImageError(
            f"{self._url}: broke off at byte {self._at} and did not go on: {reason}. Run the same "
            "command again when the network is better"
        )

    def _skip(self) -> None:
        """Leave out what a server sends again that knows no ranges."""
        found = _CONTENT_RANGE.fullmatch(self._answer.headers.get("Content-Range", ""))
        behind = self._at - (int(found[1]) if found else 0)
        if behind < 0:
            raise ImageError(f"{self._url}: goes on behind byte {self._at}: its server is faulty")
        while behind:
            data = self._answer.read(min(behind, _SKIP))
            if not data:
                raise http.client.IncompleteRead(data, behind)
            behind -= len(data)


class _RefusedError(ImageError):
    """No answer, or one that says no; `passing` when the next may be another."""

    def __init__(self, message: str, *, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing


def _open(request: urllib.request.Request, access: Access) -> http.client.HTTPResponse:
    url = request.full_url
    if access.token is not None:
        request.add_unredirected_header("Authorization", f"Bearer {access.token}")
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(  # noqa: S310 - scheme is checked
            request, timeout=TIMEOUT, context=access.trust
        )
    except urllib.error.HTTPError as fault:
        with fault:
            raise _RefusedError(
                f"{url}: the server answers {fault.code} {fault.reason}"
                f"{_REMEDIES.get(fault.code, '')}",
                passing=fault.code in {408, 429} or fault.code >= 500,  # noqa: PLR2004 - the server's
            ) from None
    except urllib.error.URLError as fault:
        if isinstance(fault.reason, ssl.SSLCertVerificationError):
            raise _RefusedError(
                f"{url}: {fault.reason.verify_message}; if the authority is your own: --ca FILE",
                passing=False,
            ) from fault
        raise _RefusedError(f"{url}: nothing answers: {fault.reason}", passing=True) from fault
    except (*_BROKEN, ValueError) as fault:
        raise _RefusedError(f"{url}: {fault}", passing=True) from fault
    return answer


def _digest_of_image(url: str, named: re.Match[str], access: Access) -> str:
    reference = named["tag"] or named["digest"]
    request = urllib.request.Request(  # noqa: S310 - scheme is checked
        f"{named['above']}/manifests/{reference}", headers={"Accept": OCI_MANIFEST}
    )
    try:
        with _open(request, access) as answer:
            content = answer.read(MANIFEST_LIMIT)
    except _BROKEN as fault:
        raise ImageError(f"{url}: {fault}") from fault
    if named["digest"] not in (None, "sha256:" + hashlib.sha256(content).hexdigest()):
        raise ImageError(f"{url}: what came has another digest; do not use that registry")
    try:
        manifest = msgspec.json.decode(content, type=_Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise ImageError(f"{url}: no manifest: {fault}") from fault
    if manifest.artifact_type != IMAGE_TYPE or len(manifest.layers) != 1:
        raise ImageError(
            f"{url}: holds {manifest.artifact_type or 'something'}, no image of a card; to put "
            f"one there: skerry image push FILE {named['name']}:TAG"
        )
    digest = manifest.layers[0].digest
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise ImageError(f"{url}: layers[0].digest: {digest!r:.90} is none")
    return digest
