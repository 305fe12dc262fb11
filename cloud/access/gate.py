"""The one door to every route: who asks, how often, may they, and what is written down of it.

Rules: it stands before the router, for HTTP and WebSocket alike. What is not in PUBLIC needs a
proven identity and a rule that allows it. An identity comes from a bearer token, from a token as
the password of Basic authentication (as OCI clients send it), or from PRINCIPAL in the scope, which
only the server's own TLS end may set: never from a header.
"""

import base64
import binascii
import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from sqlalchemy import Connection
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.access import audit
from cloud.access.actions import action_of
from cloud.access.audit import Origin
from cloud.access.authorizer import Authorizer, check_app
from cloud.access.credentials import ANONYMOUS, Credentials, Identity
from cloud.access.policy import READ, Decision
from cloud.access.principal import Principal
from cloud.access.ratelimit import Limiter, Rate
from cloud.api.http import json_response, to_status
from cloud.clock import Clock
from cloud.errors import BadRequest, Forbidden, StatusError, TooManyRequests, Unauthorized
from cloud.kinds.app import App
from cloud.metrics import Metrics
from cloud.store.database import Database
from cloud.store.witness import WITNESS, Deed

PRINCIPAL = "skerry.principal"
"""Key of the scope under which the TLS end leaves the Principal it has proven."""
IDENTITY = "skerry.identity"
"""Key of the scope under which the gate leaves the Identity for the routes."""

PUBLIC = (
    re.compile(r"(?:GET|HEAD) /(?:healthz|livez|readyz)"),
    # A node proves who it is inside: the hub's Hello, its certificate where there is TLS.
    re.compile(r"WEBSOCKET /connect/v1alpha1"),
    # A node without a certificate fetches modules by their digest, which cannot be guessed.
    re.compile(r"(?:GET|HEAD) /v2/.+/blobs/sha256:[0-9a-f]{64}"),
)
"""What needs no identity; everything else is closed."""

API_RATE = Rate(per_second=1000, burst=3000)
"""Requests of one identity: twice what one core of ours serves; stops a script gone wild."""
PUBLIC_RATE = Rate(per_second=500, burst=3000)
"""Requests without identity from one address: a fleet behind one router reconnects in seconds."""
FAILURE_RATE = Rate(per_second=1, burst=60)
"""Refused identities of one address; more are told to wait before they are looked at closely."""
NOTICED = frozenset({1, 10, 100, 1000, 10_000})
"""The failures of an address that are written to the audit log: the first, the tenth …"""

_HEADER_LIMIT = 1024
_log = logging.getLogger("skerry.access")


@dataclass(frozen=True, slots=True)
class Limits:
    """How often each may ask."""

    api: Rate = API_RATE
    public: Rate = PUBLIC_RATE
    failures: Rate = FAILURE_RATE


class Gate:
    """Checks for one service; `around` puts it before an app. Concurrency: one event loop."""

    def __init__(
        self,
        database: Database,
        credentials: Credentials,
        authorizer: Authorizer,
        clock: Clock,
        metrics: Metrics,
        limits: Limits = Limits(),
    ) -> None:
        self._database = database
        self._credentials = credentials
        self._authorizer = authorizer
        self._clock = clock
        self._api = Limiter(limits.api)
        self._public = Limiter(limits.public)
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
        path = str(scope["path"])
        address = str((scope.get("client") or ("unknown",))[0])
        now = self._clock().timestamp()
        if any(each.fullmatch(f"{method} {path}") for each in PUBLIC):
            wait = self._public.take(address, now)
            if wait:
                error = TooManyRequests("too many requests from this address", retry_after=wait)
                await self._refuse(scope, receive, send, error)
                return
            scope[IDENTITY] = ANONYMOUS
            await app(scope, receive, send)
            return
        action = action_of(method, path, scope["query_string"])
        origin = Origin(ANONYMOUS, action, address)
        try:
            try:
                identity = self._identify(scope, int(now * 1e9))
            except Unauthorized:
                await self._count_failure(origin, now)
                raise
            origin = Origin(identity, action, address)
            wait = self._api.take(f"{identity.principal.kind}/{identity.principal.name}", now)
            if wait:
                raise TooManyRequests("too many requests of this identity", retry_after=wait)
            limited = await self._authorize(scope, origin)
        except StatusError as error:
            self._denied.add()
            if origin.identity is not ANONYMOUS and isinstance(error, Forbidden):
                await self._keep(origin, error.code, error.message)
            await self._refuse(scope, receive, send, error)
            return
        scope[IDENTITY] = origin.identity
        await self._serve(app, _Recorder(origin, limited, int(now * 1e9)), scope, receive, send)

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

    def _identify(self, scope: Scope, now_ns: int) -> Identity:
        proven = scope.get(PRINCIPAL)
        if isinstance(proven, Principal):
            return Identity(proven)
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
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
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


class _Recorder:
    """The witness of one request: holds writes against its limits and writes them down."""

    def __init__(self, origin: Origin, limited: Decision | None, now_ns: int) -> None:
        self.origin = origin
        self._limited = limited
        self._now_ns = now_ns
        self._recorded = False

    def __call__(self, connection: Connection, deed: Deed) -> None:
        """Runs in the writer's thread; raises Forbidden for what the role's limit excludes."""
        if self._limited is not None:
            for state in (deed.before, deed.after):
                if isinstance(state, App):
                    check_app(self._limited, state)
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
