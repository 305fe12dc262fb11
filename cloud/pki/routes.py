"""HTTP of identities: what nodes ask (`edge.wire.joining`), and what operators do."""

from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import Row
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from cloud.access.principal import node_of
from cloud.api.http import json_response
from cloud.clock import Clock
from cloud.errors import BadRequest, Conflict, TooLarge
from cloud.pki.enrolment import Enrolment
from cloud.pki.errors import PkiError
from cloud.pki.peer import STATE_KEY
from cloud.pki.tokens import TokenSpec
from edge.wire.joining import (
    BODY_LIMIT,
    ROOT,
    Issued,
    JoinRequest,
    Pending,
    ReenrolRequest,
    RenewRequest,
    Trust,
)

OPERATORS = "/apis/identity.skerry.dev/v1alpha1"
DAY = 86_400
EXPIRES_LIMIT = 3650 * DAY
T = TypeVar("T")


class TokenRequest(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`POST OPERATORS/tokens`."""

    uses: int = 1
    expires_seconds: Annotated[int, Meta(le=EXPIRES_LIMIT)] = DAY
    pattern: str = "*"
    labels: dict[str, str] = {}
    claims: list[str] = []


class _Force(Struct, frozen=True, forbid_unknown_fields=True):
    force: bool = False


def node_routes(enrolment: Enrolment) -> list[BaseRoute]:
    """What nodes ask."""

    async def trust(request: Request) -> Response:
        node = node_of(request.scope)
        if node is not None:
            await enrolment.heard_trust(node)
        return json_response(Trust(trust=enrolment.authority.trust_text()))

    async def join(request: Request) -> Response:
        wish = await _read(request, JoinRequest)
        return _answer(await enrolment.join(wish, _address(request)))

    async def renew(request: Request) -> Response:
        wish = await _read(request, RenewRequest)
        peer = request.scope["state"][STATE_KEY]
        return _answer(await enrolment.renew(peer.node, peer.serial, wish.csr, _address(request)))

    async def challenge(_: Request) -> Response:
        return json_response(enrolment.challenge())

    async def reenrol(request: Request) -> Response:
        wish = await _read(request, ReenrolRequest)
        return _answer(await enrolment.reenrol(wish, _address(request)))

    return [
        Route(f"{ROOT}/trust", trust, methods=["GET"]),
        Route(f"{ROOT}/join", join, methods=["POST"]),
        Route(f"{ROOT}/renew", renew, methods=["POST"]),
        Route(f"{ROOT}/challenge", challenge, methods=["POST"]),
        Route(f"{ROOT}/reenrol", reenrol, methods=["POST"]),
    ]


def operator_routes(enrolment: Enrolment, clock: Clock) -> list[BaseRoute]:
    """What operators do."""
    does = _Operators(enrolment, clock)
    return [
        Route(f"{OPERATORS}/tokens", does.create_token, methods=["POST"]),
        Route(f"{OPERATORS}/tokens", does.tokens, methods=["GET"]),
        Route(f"{OPERATORS}/tokens/{{name}}", does.delete_token, methods=["DELETE"]),
        Route(f"{OPERATORS}/requests", does.requests, methods=["GET"]),
        Route(f"{OPERATORS}/requests/{{name}}/approve", does.approve, methods=["POST"]),
        Route(f"{OPERATORS}/requests/{{name}}", does.refuse, methods=["DELETE"]),
        Route(f"{OPERATORS}/nodes/{{name}}/revoke", does.revoke, methods=["POST"]),
        Route(f"{OPERATORS}/ca", does.authority, methods=["GET"]),
        Route(f"{OPERATORS}/ca/{{step}}", does.turn, methods=["POST"]),
    ]


class _Operators:
    """The endpoints of operators."""

    def __init__(self, enrolment: Enrolment, clock: Clock) -> None:
        self._enrolment = enrolment
        self._clock = clock

    async def create_token(self, request: Request) -> Response:
        """The only answer that ever holds the secret."""
        wish = await _read(request, TokenRequest)
        expires_ns = int((self._clock().timestamp() + wish.expires_seconds) * 1e9)
        made = await self._enrolment.create_token(
            TokenSpec(wish.uses, expires_ns, wish.pattern, wish.labels, wish.claims)
        )
        return json_response({"id": made.id, "token": made.text()}, 201)

    async def tokens(self, _: Request) -> Response:
        """All, without secrets."""
        return json_response({"items": [_token(row) for row in await self._enrolment.tokens()]})

    async def delete_token(self, request: Request) -> Response:
        """Make one worthless."""
        await self._enrolment.delete_token(request.path_params["name"])
        return json_response({})

    async def requests(self, _: Request) -> Response:
        """Nodes that wait."""
        found = await self._enrolment.requests()
        return json_response({"items": [_waiting(row) for row in found]})

    async def approve(self, request: Request) -> Response:
        """Let a waiting node in."""
        await self._enrolment.approve(request.path_params["name"])
        return json_response({})

    async def refuse(self, request: Request) -> Response:
        """Forget a waiting node."""
        await self._enrolment.refuse(request.path_params["name"])
        return json_response({})

    async def revoke(self, request: Request) -> Response:
        """End a node's identity."""
        count = await self._enrolment.revoke(request.path_params["name"])
        return json_response({"certificates": count})

    async def authority(self, _: Request) -> Response:
        """The CA and how far a rotation is."""
        return json_response(await _authority(self._enrolment))

    async def turn(self, request: Request) -> Response:
        """One step of a rotation."""
        wish = await _read(request, _Force)
        before = self._enrolment.standing()
        try:
            match request.path_params["step"]:
                case "rotate":
                    self._enrolment.rotate()
                case "activate":
                    await self._enrolment.activate(force=wish.force)
                case "retire":
                    await self._enrolment.retire(force=wish.force)
                case other:
                    raise BadRequest(f"{other}: not one of rotate, activate, retire")
        except PkiError as error:
            raise Conflict(str(error)) from error
        await self._enrolment.tell_turn(before)
        return json_response(await _authority(self._enrolment))


async def _authority(enrolment: Enrolment) -> dict[str, Any]:
    standing = enrolment.standing()
    return {
        "pin": standing.signer,
        "notAfter": enrolment.authority.signer.certificate.not_valid_after_utc,
        "incoming": standing.incoming,
        "outgoing": standing.outgoing,
        "lagging": await enrolment.lagging(),
    }


def _token(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "usesLeft": row.uses_left,
        "expires": _time(row.expires_ns),
        "pattern": row.pattern,
        "labels": msgspec.json.decode(row.labels),
        "claims": msgspec.json.decode(row.claims),
        "created": _time(row.created_ns),
    }


def _waiting(row: Row[Any]) -> dict[str, Any]:
    return {
        "node": row.node,
        "key": row.key_id,
        "labels": msgspec.json.decode(row.labels),
        "address": row.address,
        "requested": _time(row.requested_ns),
    }


def _time(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // 10**9, UTC)


def _answer(found: Issued | Pending) -> Response:
    return json_response(found, 202 if isinstance(found, Pending) else 200)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


async def _read(request: Request, type_: type[T]) -> T:
    """The body as a value; raises TooLarge, BadRequest."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                raise TooLarge(f"body: larger than {BODY_LIMIT} bytes")
    except ClientDisconnect:
        raise BadRequest("body: the connection ended before it did") from None
    try:
        return msgspec.json.decode(bytes(body) or b"{}", type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"body: {error}") from None
