"""What a node says to the cloud about who it is; one HTTPS request each."""

import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from edge.net.errors import BadPeerError, StatusError
from edge.net.http import get
from edge.net.refusal import reason_of
from edge.net.stream import Tls
from edge.wire.joining import BODY_LIMIT, ROOT, Trust

CONNECT_TIMEOUT = 10.0
IDLE_TIMEOUT = 30.0
NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python does not name: the system's clock may show
1970. `Tls` compares the end of a certificate with a time that has certainly passed."""
_OK = 200
T = TypeVar("T")


def context(trust: str, identity: Path | None = None) -> ssl.SSLContext:
    """TLS 1.3 with these CAs, and this node's key and certificate if it has one."""
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found.minimum_version = ssl.TLSVersion.TLSv1_3
    found.verify_flags |= NO_CHECK_TIME
    found.load_verify_locations(cadata=trust)
    if identity is not None:
        found.load_cert_chain(identity)
    return found


async def meet(cloud: str, pin: str, now_ns: Callable[[], int]) -> str:
    """The CA whose certificate has this SHA-256, in PEM; nothing else of the answer counts."""
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.minimum_version = ssl.TLSVersion.TLSv1_3
    stranger.check_hostname = False
    stranger.verify_mode = ssl.CERT_NONE  # what comes is compared with the pin
    found = await ask(f"{cloud}{ROOT}/trust", Trust, Tls(stranger, now_ns))
    for pem in found.trust:
        if fingerprint(pem) == pin:
            return pem
    raise BadPeerError(
        f"{cloud}: shows another CA than sha256:{pin}. The token is of another cloud, or somebody "
        "stands in between; nothing was told"
    )


async def ask(url: str, type_: type[T], tls: Tls, said: msgspec.Struct | None = None) -> T:
    """The answer to GET, or to POST of a value. Raises NetError, StatusError with the reason."""
    body = None if said is None else msgspec.json.encode(said)
    async with get(
        url, tls=tls, connect_timeout=CONNECT_TIMEOUT, idle_timeout=IDLE_TIMEOUT, body=body
    ) as response:
        data = bytearray()
        async for chunk in response.body:
            data += chunk
            if len(data) > BODY_LIMIT:
                raise BadPeerError(f"{url}: an answer of more than {BODY_LIMIT} bytes")
    if response.status != _OK:
        raise StatusError(response.status, f"{url}: {reason_of(bytes(data), response.status)}")
    try:
        return msgspec.json.decode(bytes(data), type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadPeerError(f"{url}: {error}") from error


def fingerprint(pem: str) -> str:
    """SHA-256 of a certificate in DER, in hex; empty for what is no PEM."""
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    except ValueError:
        return ""
