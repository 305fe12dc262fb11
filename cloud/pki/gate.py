"""In front of every route: who asks, and where a node may go at all.

Rules: a certificate that is not in the ledger is refused wherever it is shown. A node reaches its
session, the artifacts that its apps need and its own renewal; nothing else of the API. Without a
certificate nobody reaches what is for nodes. The principal is in the scope's `state`.
"""

import ipaddress
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from cloud.access.principal import Principal
from cloud.api.http import on_error
from cloud.errors import Forbidden, StatusError
from cloud.pki.audit import audit
from cloud.pki.enrolment import Enrolment
from cloud.pki.errors import NotProven
from cloud.pki.peer import STATE_KEY, Peer
from edge.wire.joining import ROOT

PRINCIPAL = "principal"
ANONYMOUS = Principal("anonymous", "")
CONNECT = "/connect/v1alpha1"
_BLOB = re.compile(r"/v2/(?P<repository>.+)/blobs/(?P<digest>sha256:[0-9a-f]{64})")

Needs = Callable[[str, str, str], Awaitable[bool]]
"""Whether a node's apps need the blob of a repository: node, repository, digest."""


class Gate:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, enrolment: Enrolment, needs: Needs) -> None:
        self._app = app
        self._enrolment = enrolment
        self._needs = needs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through with its principal, or answer in its place."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        try:
            principal = self._principal(scope)
            await self._check(scope, principal)
        except StatusError as error:
            client = scope.get("client")
            audit("refused", scope["path"], client[0] if client else "", why=error.message)
            if scope["type"] == "websocket":
                await WebSocketClose(reason=error.reason)(scope, receive, send)
                return
            await (await on_error(Request(scope), error))(scope, receive, send)
            return
        scope.setdefault("state", {})[PRINCIPAL] = principal
        await self._app(scope, receive, send)

    def _principal(self, scope: Scope) -> Principal:
        peer: Peer | None = scope.get("state", {}).get(STATE_KEY)
        if peer is None:
            return ANONYMOUS
        if not peer.node or self._enrolment.node_of(peer.serial) != peer.node:
            raise NotProven("certificate: revoked, or not one that this cloud issued; join again")
        return Principal("node", peer.node)

    async def _check(self, scope: Scope, principal: Principal) -> None:
        path: str = scope["path"]
        if principal.kind != "node":
            if path in {CONNECT, f"{ROOT}/renew"}:
                raise NotProven(f"{path}: show the certificate of a node")
            _check_person(scope)
            return
        if path == CONNECT or path.startswith(f"{ROOT}/"):
            return
        blob = _BLOB.fullmatch(path)
        reads = scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}
        if blob and reads and await self._needs(principal.name, *blob.groups()):
            return
        raise Forbidden(f"node {principal.name} may not {scope.get('method', 'open')} {path}")


def _check_person(scope: Scope) -> None:
    """Until people have names, they are who can log in on the service's own machine."""
    client = scope.get("client")
    if scope["path"].startswith(f"{ROOT}/"):
        return
    with suppress(ValueError):
        if client is not None and ipaddress.ip_address(client[0]).is_loopback:
            return
    raise Forbidden(f"{scope['path']}: only from the machine on which the service runs")


def principal_of(scope: Scope) -> Principal | None:
    """Who asks; None behind no gate: on a service that was told to do without."""
    found: Principal | None = scope.get("state", {}).get(PRINCIPAL)
    return found
