"""What a person's commands know of each cloud: its CA, and who the person is there.

Rules: one file a cloud in SKERRY_CONTEXTS, else in `skerry` of the user's configuration, for its
owner alone. `skerry cloud` writes that of its own person at its first start, `skerry trust` the CA
of a cloud elsewhere, `skerry login` the token. A token is sent to the cloud it is for and to no
other. SKERRY_CA (a file) and SKERRY_TOKEN count instead, for scripts.
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
from msgspec import structs

from cloud.client.errors import InputError, RefusedError, UnreachableError
from edge.private import write_private
from edge.wire.joining import BODY_LIMIT, ROOT, CloudContext, Trust, context_name

CONTEXT_LIMIT = 64 << 10
"""Bytes of a context: a few certificates and tokens."""
TIMEOUT = 10.0


def directory() -> Path:
    """Where contexts are."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(os.environ.get("SKERRY_CONTEXTS") or Path(home) / "skerry").expanduser()


def find(url: str) -> CloudContext:
    """What counts for a cloud, with what the environment says; raises InputError."""
    known = load(url) or CloudContext(url=url)
    file, token = os.environ.get("SKERRY_CA"), os.environ.get("SKERRY_TOKEN")
    if file:
        try:
            known = structs.replace(known, ca=Path(file).read_text("ascii"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"SKERRY_CA: {file}: {error}") from None
    return structs.replace(known, user="", token=token) if token else known


def person_at(url: str) -> tuple[ssl.SSLContext | None, str | None]:
    """How to verify the server of any URL, and the token for it; nothing for an unknown one."""
    parts = urlsplit(url)
    server = f"{parts.scheme}://{parts.netloc}"
    named = os.environ.get("SKERRY_CLOUD", "").rstrip("/")
    known = find(server) if server == named else load(server)
    return (None, None) if known is None else (tls(known), known.token or None)


def load(url: str) -> CloudContext | None:
    """What is kept of a cloud; raises InputError for a damaged file."""
    path = directory() / context_name(url)
    try:
        with path.open("rb") as file:
            found = msgspec.json.decode(file.read(CONTEXT_LIMIT), type=CloudContext)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: damaged ({error}); remove it, then: skerry trust") from None
    return found if urlsplit(found.url).scheme == urlsplit(url).scheme else None


def save(context: CloudContext) -> Path:
    """Keep it, for its owner alone."""
    path = directory() / context_name(context.url)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, msgspec.json.encode(context))
    return path


def tls(context: CloudContext) -> ssl.SSLContext:
    """How to verify the cloud: by its CA, else by what the system trusts."""
    try:
        made = ssl.create_default_context(cadata=context.ca or None)
    except ssl.SSLError as error:
        raise InputError(f"{context.url}: its CA is damaged ({error}); skerry trust") from None
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    return made


def trust(args: Namespace) -> None:
    """`skerry trust`: fetch a cloud's CA, compare it with the pin, keep it."""
    url, pin = str(args.url).rstrip("/"), str(args.pin).removeprefix("sha256:").lower()
    found = next((pem for pem in _fetch(url) if _pin(pem) == pin), None)
    if found is None:
        raise RefusedError(
            f"{url}: shows another CA than sha256:{pin}. Copy the pin from `skerry ca show` on the "
            "cloud's machine; if it is right, somebody stands in between",
            code=0,
        )
    path = save(structs.replace(load(url) or CloudContext(), url=url, ca=found))
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
    except (OSError, http.client.HTTPException, msgspec.MsgspecError, ValueError) as error:
        raise UnreachableError(f"{url}: no cloud answers there: {error}") from error
    finally:
        connection.close()


def _pin(pem: str) -> str:
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    except ValueError:
        return ""
