"""TLS at the listener: which certificate the service shows, and whose the peer has shown.

One listener for nodes and people: a client certificate is asked for and not demanded
(CERT_OPTIONAL); one that is shown must be valid. `gate` demands it where nodes speak.
docs/decisions/2026-11-23-identity.md says why not two listeners.
"""

import asyncio
import math
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from edge.wire.joining import NODE_URI

STATE_KEY = "skerry_peer"


@dataclass(frozen=True, slots=True)
class Peer:
    """What the TLS layer has proven of a peer's certificate."""

    serial: str
    node: str
    """Of its URI; empty when it has none of ours."""
    ends_at: float = math.inf
    """Seconds since 1970."""


class PeerProtocol(H11Protocol):
    """uvicorn's HTTP protocol that hands the peer's certificate to the application.

    It travels in the ASGI scope's `state`, which the WebSocket protocol inherits.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection, its handshake done."""
        super().connection_made(transport)
        found = transport.get_extra_info("peercert")
        if found:
            self.app_state = {**self.app_state, STATE_KEY: read_peer(found)}


def read_peer(certificate: Mapping[str, Any]) -> Peer:
    """Of `SSLSocket.getpeercert()`."""
    uris = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"]
    nodes = [uri.removeprefix(NODE_URI) for uri in uris if uri.startswith(NODE_URI)]
    ends_at = ssl.cert_time_to_seconds(certificate["notAfter"])
    serial = str(certificate.get("serialNumber", ""))
    return Peer(serial, nodes[0] if len(nodes) == 1 else "", ends_at)


def ends_at(scope: Mapping[str, Any]) -> float:
    """When the certificate of a connection ends, in seconds since 1970; never without one."""
    peer: Peer | None = scope.get("state", {}).get(STATE_KEY)
    return math.inf if peer is None else peer.ends_at


def server_context() -> ssl.SSLContext:
    """TLS 1.3 and nothing older; `load_identity` gives it a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_OPTIONAL
    # A resumed session would keep a client's certificate that was revoked or has ended meanwhile.
    context.num_tickets = 0
    return context


def load_identity(context: ssl.SSLContext, file: Path, trust: list[str]) -> None:
    """Use a key and chain, and accept clients of these CAs, from the next handshake on."""
    context.load_cert_chain(file)
    context.load_verify_locations(cadata="".join(trust))
