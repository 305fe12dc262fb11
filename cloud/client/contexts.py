"""Which CA a person's commands trust for which cloud; `skerry cloud` writes its own at each start.

One file a cloud in SKERRY_CONTEXTS, else in `skerry` of the user's configuration. It may hold a
join token for agents of this machine, so nobody else may read it.
"""

import hashlib
import http.client
import os
import ssl
import sys
from argparse import Namespace
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from cloud.client.errors import InputError, RefusedError, UnreachableError
from cloud.pki.authority import write_private
from edge.wire.joining import BODY_LIMIT, ROOT, CloudContext, Trust, context_name

CONTEXT_LIMIT = 64 << 10
"""Bytes of a context: a few certificates."""
TIMEOUT = 10.0


def directory() -> Path:
    """Where contexts are."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(os.environ.get("SKERRY_CONTEXTS") or Path(home) / "skerry").expanduser()


def load(url: str) -> CloudContext | None:
    """What is known of a cloud; raises InputError for a damaged file."""
    path = directory() / context_name(url)
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(CONTEXT_LIMIT), type=CloudContext)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: damaged ({error}); remove it, then: skerry trust") from None


def save(context: CloudContext) -> Path:
    """Keep it, for its owner alone."""
    path = directory() / context_name(context.url)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, msgspec.json.encode(context))
    return path


def tls(url: str) -> ssl.SSLContext:
    """How to verify a cloud: SKERRY_CA (a file), else its context, else the system's trust."""
    file = os.environ.get("SKERRY_CA")
    known = None if file else load(url)
    try:
        context = ssl.create_default_context(cafile=file, cadata=known.ca if known else None)
    except OSError as error:
        raise InputError(f"SKERRY_CA: {file}: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def trust(args: Namespace) -> None:
    """`skerry trust`: fetch a cloud's CA, compare it with the pin, keep it."""
    url, pin = str(args.url).rstrip("/"), str(args.pin).removeprefix("sha256:").lower()
    known = load(url)
    found = next(
        (pem for pem in _fetch(url) if _pin(pem) == pin),
        None,
    )
    if found is None:
        raise RefusedError(
            f"{url}: shows another CA than sha256:{pin}. Copy the pin from `skerry ca show` on the "
            "cloud's machine; if it is right, somebody stands in between",
            code=0,
        )
    join_token = known.join_token if known else ""
    path = save(CloudContext(url=url, ca=found, join_token=join_token))
    print(f"{url} is trusted from now on ({path})", file=sys.stderr)


def _fetch(url: str) -> list[str]:
    """The CAs that a service claims; nothing else is said to it."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise InputError(f"url: {url!r} is not like https://cloud.example:8480")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # what comes is compared with the pin
    connection = http.client.HTTPSConnection(
        parts.hostname, parts.port or 443, timeout=TIMEOUT, context=context
    )
    try:
        connection.request("GET", f"{ROOT}/trust")
        return msgspec.json.decode(connection.getresponse().read(BODY_LIMIT), type=Trust).trust
    except (OSError, http.client.HTTPException, msgspec.MsgspecError) as error:
        raise UnreachableError(f"{url}: no cloud answers there: {error}") from error
    finally:
        connection.close()


def _pin(pem: str) -> str:
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    except ValueError:
        return ""
