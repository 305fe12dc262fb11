"""Newer roots of trust, asked for one version after the other as TUF does it.

They lie in the registry under a name and a tag that follow from their number. Nothing here is
believed: a root is proven by its signatures. So a registry that lies can only withhold.
"""

import binascii
import logging
from base64 import b64decode
from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from edge.net.errors import NetError
from edge.net.http import get
from edge.net.stream import Tls
from edge.trust.root import ROOT_REPOSITORY
from edge.trust.signed import BUNDLE_LIMIT
from edge.verdict import ROOTS_LIMIT

TIMEOUT = 10.0
"""Seconds to connect, and of silence: a board that is cut off goes on with the root it holds."""
BODY_LIMIT = 2 * BUNDLE_LIMIT
"""Bytes of an answer: base64 takes four for three."""
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_OK = 200
_log = logging.getLogger(__name__)


class _Layer(Struct, frozen=True):
    data: Annotated[str, Meta(max_length=BODY_LIMIT)]


class _Manifest(Struct, frozen=True):
    layers: Annotated[list[_Layer], Meta(min_length=1, max_length=1)]


async def newer_roots(
    registry: str, version: int, tls: Callable[[], Tls] | None = None
) -> list[bytes]:
    """Roots after `version`, as many as there are and can be had now; `tls` as this node."""
    found: list[bytes] = []
    try:
        while len(found) < ROOTS_LIMIT:
            root = await _root(registry, version + len(found) + 1, tls)
            if root is None:
                break
            found.append(root)
    except (NetError, OSError, ValueError) as error:
        _log.info("no look at newer roots of trust: %s", error)
    return found


async def _root(registry: str, version: int, tls: Callable[[], Tls] | None) -> bytes | None:
    url = f"{registry.rstrip('/')}/v2/{ROOT_REPOSITORY}/manifests/{version}"
    async with get(
        url,
        headers={"Accept": _MANIFEST},
        tls=tls() if tls is not None else None,
        connect_timeout=TIMEOUT,
        idle_timeout=TIMEOUT,
    ) as response:
        if response.status != _OK:
            return None
        body = b""
        async for chunk in response.body:
            body += chunk
            if len(body) > BODY_LIMIT:
                raise ValueError(f"{url}: longer than {BODY_LIMIT} bytes")
    try:
        return b64decode(msgspec.json.decode(body, type=_Manifest).layers[0].data, validate=True)
    except (msgspec.MsgspecError, binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{url}: holds no root: {error}") from error
