"""What a node may reach, proven by its certificate: the gate's rules for nodes.

Rules: a certificate that is not in the ledger, or has ended since its handshake, is refused wherever
it is shown. A node reaches its session, the modules and files that its apps need, roots of trust, what joining and renewing take; nothing else of the API.
"""

import re
from collections.abc import Awaitable, Callable

from starlette.types import Scope

from cloud.access.principal import Principal
from cloud.clock import Clock
from cloud.errors import Forbidden
from cloud.pki.enrolment import Enrolment
from cloud.pki.errors import NotProven
from cloud.pki.peer import STATE_KEY, Peer
from edge.trust.root import ROOT_REPOSITORY
from edge.wire.joining import ROOT

CONNECT = "/connect/v1alpha1"
_CONTENT = re.compile(r"/v2/(?P<repository>.+)/blobs/(?P<digest>sha256:[0-9a-f]{64})")
_ROOTS = f"/v2/{ROOT_REPOSITORY}/manifests/"
"""Roots of trust, for every node: they prove themselves. Signatures travel with the desired set."""

Needs = Callable[[str, str, str], Awaitable[bool]]
"""Whether a node's apps need a blob of a repository: node, repository, digest."""


class NodeRules:
    """Of one service with identities. Concurrency: one event loop."""

    def __init__(self, enrolment: Enrolment, needs: Needs, clock: Clock) -> None:
        self._enrolment = enrolment
        self._needs = needs
        self._clock = clock

    def identify(self, scope: Scope) -> Principal | None:
        """The node of the connection's certificate; None without one. Raises NotProven."""
        peer: Peer | None = scope.get("state", {}).get(STATE_KEY)
        if peer is None:
            if scope["path"] in {CONNECT, f"{ROOT}/renew"}:
                raise NotProven(f"{scope['path']}: show the certificate of a node")
            return None
        if not peer.node or self._enrolment.node_of(peer.serial) != peer.node:
            raise NotProven("certificate: revoked, or not one that this cloud issued; join again")
        if peer.ends_at <= self._clock().timestamp():
            raise NotProven("certificate: it has ended")
        return Principal("node", peer.node)

    async def check(self, node: str, scope: Scope) -> None:
        """Raises Forbidden for what is none of a node's business."""
        path: str = scope["path"]
        if path == CONNECT or path.startswith(f"{ROOT}/"):
            return
        reads = scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}
        if reads and path.startswith(_ROOTS):
            return
        content = _CONTENT.fullmatch(path)
        if content and reads and await self._needs(node, *content.groups()):
            return
        raise Forbidden(f"node {node} may not {scope.get('method', 'open')} {path}")
