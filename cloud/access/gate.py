"""The one door to every route: who asks, how often, may they, and what is written down of it.

Rules: it stands before the router, for HTTP and WebSocket alike, and asks in this order.
1. A client certificate makes a node, and the rules for nodes (`Nodes`) alone say where it may go.
2. What is in PUBLIC needs no identity; only how often an address asks is limited.
3. Everybody else shows a token, as bearer or as the password of Basic authentication (as OCI
   clients send it), and a role must allow what is asked. What no role allows is denied.
An identity comes from the TLS end of the server or from a token: never from another header.
"""

import base64
import binascii
import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import quote

from sqlalchemy import Connection
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.access import audit
from cloud.access.actions import action_of
from cloud.access.audit import Origin
from cloud.access.authorizer import Authorizer, check_app, check_repl
from cloud.access.credentials import Credentials
from cloud.access.policy import ALLOWED, READ, Decision
from cloud.access.principal import ANONYMOUS, IDENTITY, Identity, Principal
from cloud.access.ratelimit import Limiter, Rate
from cloud.api.http import json_response, to_status
from cloud.clock import Clock
from cloud.errors import BadRequest, Forbidden, StatusError, TooManyRequests, Unauthorized
from cloud.kinds.app import App
from cloud.metrics import Metrics
from cloud.store.database import Database
from cloud.store.witness import WITNESS, Deed
from edge.trust.root import ROOT_REPOSITORY

JOINING = re.compile(r"(?:GET|POST) /join/v1alpha1/(?:trust|join|challenge|reenrol)")
"""A board proves itself inside, by a join token or by its key."""
PUBLIC = (re.compile(r"(?:GET|HEAD) /(?:healthz|livez|readyz)"), JOINING)
"""What needs no identity; everything else is closed."""
WITHOUT_TLS = (
    re.compile(r"WEBSOCKET /connect/v1alpha1"),
    re.compile(r"(?:GET|HEAD) /v2/.+/blobs/sha256:[0-9a-f]{64}"),
    re.compile(rf"(?:GET|HEAD) /v2/{ROOT_REPOSITORY}/manifests/[0-9]+"),
)
"""Public as well on a loopback without certificates, where nodes cannot prove who they are."""

API_RATE = Rate(per_second=1000, burst=3000)
"""Requests of one identity: twice what one core of ours serves; stops a script gone wild."""
PUBLIC_RATE = Rate(per_second=500, burst=3000)
"""Requests without identity from one address: a fleet behind one router reconnects in seconds."""
JOIN_RATE = Rate(per_second=50, burst=1000)
"""Of one address: a hall of boards joins at once; what keys cost the service stays bounded."""
FAILURE_RATE = Rate(per_second=1, burst=60)
"""Refused identities of one address; more are told to wait before they are looked at closely."""
NODE_REFUSALS = Rate(per_second=1 / 60, burst=60)
"""Refusals of one node that are written down: a node that keeps asking must not fill the log."""
NOTICED = frozenset({1, 10, 100, 1000, 10_000})
"""The failures of an address that are written to the audit log: the first, the tenth …"""

_HEADER_LIMIT = 1024
_log = logging.getLogger("skerry.access")


@dataclass(frozen=True, slots=True)
class Limits:
    """How often each may ask."""

    api: Rate = API_RATE
    public: Rate = PUBLIC_RATE
    joins: Rate = JOIN_RATE
    failures: Rate = FAILURE_RATE


class Nodes(Protocol):
    """The rules for nodes."""

    def identify(self, scope: Scope) -> Principal | None:
        """The node a certificate proves; None without one. Raises StatusError for a bad one."""
        ...

    async def check(self, node: str, scope: Scope) -> None:
        """Raises Forbidden where a node may not go."""
        ...


class Gate:
    """Checks for one service; `around` puts it before an app. Concurrency: one event loop."""

    def __init__(
        self,
        database: Database,
        credentials: Credentials,
        authorizer: Authorizer,
        clock: Clock,
        metrics: Metrics,
        nodes: Nodes | None,
        limits: Limits = Limits(),
    ) -> None:
        """`nodes` None: a loopback without certificates."""
        self._database = database
        self._credentials = credentials
        self._authorizer = authorizer
        self._clock = clock
        self._api = Limiter(limits.api)
        self._nodes = nodes
        self._open = PUBLIC if nodes is not None else (*PUBLIC, *WITHOUT_TLS)
        self._public = Limiter(limits.public)
        self._joins = Limiter(limits.joins)
        self._refusals = Limiter(NODE_REFUSALS)
        self._failures = Limiter(limits.failures)
        self._failed = FailureCount()
        self._denied = metrics.counter("skerry_requests_denied_total", "Requests refused access.")

    def around(self, app: ASGIApp) -> ASGIApp:
        """The app behind this gate."""

        async def gated(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
                return
            await self._pass(app, scope, receive, send)

        return gated

    async def _pass(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        method = "WEBSOCKET" if scope["type"] == "websocket" else str(scope["method"])
        line = f"{method} {scope['path']}"
        address = str((scope.get("client") or ("unknown",))[0])
        now = self._clock().timestamp()
        action = action_of(method, str(scope["path"]), scope["query_string"])
        origin = Origin(ANONYMOUS, action, address)
        held = _HeldAgainst()
        try:
            nodes = self._nodes
            node = nodes.identify(scope) if nodes is not None else None
            if nodes is not None and node is not None:
                origin = Origin(Identity(node), action, address)
                await self._admit_node(nodes, scope, origin, now)
            elif any(each.fullmatch(line) for each in self._open):
                self._admit_anyone(line, address, now)
            else:
                origin = Origin(await self._identify(scope, origin, now), action, address)
                held = await self._admit_person(scope, origin, now)
        except StatusError as error:
            self._denied.add()
            if origin.identity is not ANONYMOUS and isinstance(error, Forbidden):
                await self._keep_refusal(origin, error, now)
            await self._refuse(scope, receive, send, error)
            return
        scope[IDENTITY] = origin.identity
        if origin.identity.principal.kind in {"node", "anonymous"}:
            await app(scope, receive, send)  # the routes of nodes write down what matters
            return
        await self._serve(app, _Recorder(origin, held, int(now * 1e9)), scope, receive, send)

    # --- the three ways in -------------------------------------------------------------------

    async def _admit_node(self, nodes: Nodes, scope: Scope, origin: Origin, now: float) -> None:
        self._take(self._api, f"node/{origin.identity.principal.name}", now, "this node")
        await nodes.check(origin.identity.principal.name, scope)

    def _admit_anyone(self, line: str, address: str, now: float) -> None:
        limiter = self._joins if JOINING.fullmatch(line) else self._public
        self._take(limiter, address, now, "this address")

    async def _admit_person(self, scope: Scope, origin: Origin, now: float) -> "_HeldAgainst":
        """What its writes are held against; raises Forbidden."""
        who = origin.identity.principal
        self._take(self._api, f"{who.kind}/{who.name}", now, "this identity")
        limited = await self._authorize(scope, origin)
        action = origin.action
        if action.kind != "apps" or action.verb in READ:
            return _HeldAgainst(limited)
        repls = await self._authorizer.decide(who, replace(action, kind="repls"))
        return _HeldAgainst(limited, repls)

    @staticmethod
    def _take(limiter: Limiter, key: str, now: float, who: str) -> None:
        wait = limiter.take(key, now)
        if wait:
            raise TooManyRequests(f"too many requests of {who}", retry_after=wait)

    async def _serve(
        self, app: ASGIApp, recorder: "_Recorder", scope: Scope, receive: Receive, send: Send
    ) -> None:
        code = 500

        async def watch(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
                if recorder.due(code):
                    await self._keep(recorder.origin, code, "")
            await send(message)

        held = WITNESS.set(recorder)
        try:
            await app(scope, receive, watch)
        finally:
            WITNESS.reset(held)

    async def _identify(self, scope: Scope, origin: Origin, now: float) -> Identity:
        """Whose token was sent; raises Unauthorized, and TooManyRequests for one who guesses."""
        try:
            return self._holder(scope, int(now * 1e9))
        except Unauthorized:
            await self._count_failure(origin, now)
            raise

    def _holder(self, scope: Scope, now_ns: int) -> Identity:
        header = Headers(scope=scope).get("authorization", "")
        if not header:
            raise Unauthorized(
                "no credential: send a token (`Authorization: Bearer …`); "
                "`skerry login` keeps one for the command line"
            )
        identity = self._credentials.identify(_token(header), now_ns)
        if identity is None:
            raise Unauthorized("this token is not valid: unknown, revoked, expired or mistyped")
        return identity

    async def _count_failure(self, origin: Origin, now: float) -> None:
        """Note a refused identity; raises TooManyRequests past the rate."""
        count = self._failed.add(origin.address, now)
        if count in NOTICED:
            _log.warning("%s: %d requests without a valid credential", origin.address, count)
            reason = f"no valid credential; number {count} from this address in an hour"
            await self._keep(origin, Unauthorized.code, reason)
        wait = self._failures.take(origin.address, now)
        if wait:
            raise TooManyRequests(
                "too many requests without a valid credential from this address",
                retry_after=wait,
            )

    async def _authorize(self, scope: Scope, origin: Origin) -> Decision | None:
        """The decision to hold writes against when it is limited to nodes; raises Forbidden."""
        principal, action = origin.identity.principal, origin.action
        decision = await self._authorizer.decide(principal, action)
        if not decision.allowed:
            raise Forbidden(
                f"{principal.kind} {principal.name!r} may not {action}; "
                "an administrator can bind a role that allows it",
                name=action.name,
            )
        if not decision.nodes:
            return None
        if action.kind == "nodes" and action.verb in {"list", "watch"}:
            _narrow(scope, decision)
        else:
            await self._authorizer.check_node(decision, action)
        return decision

    async def _keep_refusal(self, origin: Origin, error: StatusError, now: float) -> None:
        who = origin.identity.principal
        if who.kind != "node" or not self._refusals.take(who.name, now):
            await self._keep(origin, error.code, error.message)

    async def _keep(self, origin: Origin, code: int, reason: str) -> None:
        now_ns = int(self._clock().timestamp() * 1e9)

        def work(connection: Connection) -> None:
            audit.record_outcome(connection, origin, now_ns, code=code, reason=reason)

        await self._database.write(work)

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, error: StatusError
    ) -> None:
        headers: dict[str, str] = {}
        if scope["type"] == "websocket":
            await receive()  # its connect, before which nothing may be said
        if isinstance(error, TooManyRequests):
            headers["Retry-After"] = str(math.ceil(error.retry_after))
        if isinstance(error, Unauthorized):
            registry = str(scope["path"]).startswith("/v2")
            headers["WWW-Authenticate"] = ("Basic" if registry else "Bearer") + ' realm="skerry"'
        response = _rendered(scope, error)
        response.headers.update(headers)
        await response(scope, receive, send)


class FailureCount:
    """Refused identities of each address within an hour of its first; a bounded number of them."""

    WINDOW = 3600.0
    LIMIT = 10_000

    def __init__(self) -> None:
        self._counts: dict[str, tuple[float, int]] = {}

    def add(self, address: str, now: float) -> int:
        """One more; how many there are now."""
        since, count = self._counts.pop(address, (now, 0))
        if now - since > self.WINDOW:
            since, count = now, 0
        self._counts[address] = (since, count + 1)
        if len(self._counts) > self.LIMIT:
            del self._counts[next(iter(self._counts))]
        return count + 1


@dataclass(frozen=True, slots=True)
class _HeldAgainst:
    """What the state of an App decides, which no request line tells."""

    limited: Decision | None = None
    """The decision on the request, when it is limited to nodes."""
    repls: Decision = ALLOWED
    """That on the same verb and REPLs."""


class _Recorder:
    """The witness of one request: holds writes against its limits and writes them down."""

    def __init__(self, origin: Origin, held: _HeldAgainst, now_ns: int) -> None:
        self.origin = origin
        self._held = held
        self._now_ns = now_ns
        self._recorded = False

    def __call__(self, connection: Connection, deed: Deed) -> None:
        """Runs in the writer's thread; raises Forbidden for what the role's limit excludes."""
        limited = self._held.limited
        for state in (deed.before, deed.after):
            if limited is not None and isinstance(state, App):
                check_app(limited, state)
        if isinstance(deed.after, App):
            check_repl(self._held.repls, deed.after)
        audit.record_deed(connection, self.origin, deed, self._now_ns)
        self._recorded = True

    def due(self, code: int) -> bool:
        """Whether the request still has to be written down: it meant to write."""
        action = self.origin.action
        if action.verb in READ or action.kind == "selfsubjectaccessreviews":
            return False
        return code >= BadRequest.code or not self._recorded


def _token(header: str) -> str:
    scheme, _, value = header[:_HEADER_LIMIT].partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value.strip()).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _narrow(scope: Scope, decision: Decision) -> None:
    """Make a list of nodes one of the nodes that the decision allows; raises Forbidden."""
    if len(decision.nodes) != 1:
        raise Forbidden("your roles are limited to several sets of nodes: name one node")
    wanted = ",".join(f"{key}={value}" for key, value in decision.nodes[0].items())
    parts = [part for part in scope["query_string"].decode("latin-1").split("&") if part]
    given = [part for part in parts if part.startswith("labelSelector=")]
    others = [part for part in parts if not part.startswith("labelSelector=")]
    selector = quote(wanted)
    if given:
        selector = f"{given[-1].removeprefix('labelSelector=')}%2C{selector}"
    scope["query_string"] = "&".join([*others, f"labelSelector={selector}"]).encode("latin-1")


def _rendered(scope: Scope, error: StatusError) -> Response:
    if not str(scope["path"]).startswith("/v2"):
        return json_response(to_status(error), error.code)
    words: Mapping[int, str] = {401: "UNAUTHORIZED", 429: "TOOMANYREQUESTS"}
    fault = {"code": words.get(error.code, "DENIED"), "message": error.message}
    return json_response({"errors": [fault]}, error.code)
