"""Accounts, tokens and the audit log over HTTP, and what one may do oneself.

Who may call what is the gate's to decide: these routes are behind it.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from cloud.access import audit
from cloud.access.authorizer import Authorizer
from cloud.access.credentials import PLURALS, Credentials, Token
from cloud.access.policy import Action
from cloud.access.principal import IDENTITY, Identity
from cloud.access.tokens import Holder
from cloud.api.http import json_response, number, read_json_object, require_json
from cloud.clock import Clock
from cloud.errors import BadRequest, Invalid
from cloud.kinds.access import RoleBinding, RoleBindingSpec, Subject, SubjectKind
from cloud.kinds.meta import Metadata
from cloud.store.database import Database
from cloud.store.objects import Objects

PREFIX = "/apis/access.skerry.dev/v1alpha1"
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
SPAN_LIMIT = 10 * 366 * 24 * 3600
"""Seconds a token may live when it has an end: ten years."""

_AccountName = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,52}[a-z0-9])?$")]
"""Shorter than other names: a binding is called `user-NAME`."""


class _NewAccount(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    name: _AccountName
    roles: Annotated[list[str], Meta(max_length=32)] = []
    expires_seconds: Annotated[int, Meta(ge=1, le=SPAN_LIMIT)] | None = None


class _NewToken(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    kind: Literal["user", "service"]
    name: str
    description: Annotated[str, Meta(max_length=200)] = ""
    expires_seconds: Annotated[int, Meta(ge=1, le=SPAN_LIMIT)] | None = None


class _ResourceAttributes(Struct, frozen=True, rename="camel"):
    verb: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


class _ReviewSpec(Struct, frozen=True, rename="camel"):
    resource_attributes: _ResourceAttributes = _ResourceAttributes()


class _Review(Struct, frozen=True):
    spec: _ReviewSpec = _ReviewSpec()


class AccessApi:
    """The routes over one service's credentials. Concurrency: one event loop."""

    def __init__(
        self,
        database: Database,
        objects: Objects,
        credentials: Credentials,
        authorizer: Authorizer,
        clock: Clock,
    ) -> None:
        self._database = database
        self._objects = objects
        self._credentials = credentials
        self._authorizer = authorizer
        self._clock = clock

    def routes(self) -> list[BaseRoute]:
        """Everything under PREFIX, and the access review of kubectl."""
        found: list[BaseRoute] = [
            Route(f"{PREFIX}/whoami", self._whoami, methods=["GET"]),
            Route(f"{PREFIX}/audit", self._audit, methods=["GET"]),
            Route(f"{PREFIX}/tokens", self._tokens, methods=["GET"]),
            Route(f"{PREFIX}/tokens", self._make_token, methods=["POST"]),
            Route(f"{PREFIX}/tokens/{{id}}", self._revoke, methods=["DELETE"]),
            Route(REVIEW, self._review, methods=["POST"]),
        ]
        for holder, plural in PLURALS.items():
            found += self._account_routes(holder, f"{PREFIX}/{plural}")
        return found

    def _account_routes(self, holder: Holder, path: str) -> list[BaseRoute]:
        async def shown(_: Request) -> Response:
            mine = [each for each in self._credentials.accounts if each.kind == holder]
            return json_response(_list("AccountList", mine))

        async def create(request: Request) -> Response:
            return await self._create(request, holder)

        async def delete(request: Request) -> Response:
            name = request.path_params["name"]
            return json_response(await self._credentials.remove_account(holder, name))

        return [
            Route(path, shown, methods=["GET"]),
            Route(path, create, methods=["POST"]),
            Route(f"{path}/{{name}}", delete, methods=["DELETE"]),
        ]

    async def _create(self, request: Request, holder: Holder) -> Response:
        wanted = await _body(request, _NewAccount)
        await self._credentials.add_account(holder, wanted.name, self._now_ns())
        if wanted.roles:
            subject = SubjectKind.USER if holder == "user" else SubjectKind.SERVICE
            await self._objects.create(
                RoleBinding(
                    metadata=Metadata(generate_name=f"{holder}-{wanted.name}-"),
                    spec=RoleBindingSpec(
                        roles=wanted.roles, subjects=[Subject(kind=subject, name=wanted.name)]
                    ),
                )
            )
        made = _NewToken(holder, wanted.name, "made with it", wanted.expires_seconds)
        return json_response(await self._token(made), 201)

    async def _tokens(self, _: Request) -> Response:
        return json_response(_list("TokenList", self._credentials.tokens))

    async def _make_token(self, request: Request) -> Response:
        return json_response(await self._token(await _body(request, _NewToken)), 201)

    async def _token(self, wanted: _NewToken) -> dict[str, Any]:
        now_ns, span = self._now_ns(), wanted.expires_seconds
        token, text = await self._credentials.add_token(
            wanted.kind,
            wanted.name,
            now_ns,
            expires_ns=None if span is None else now_ns + span * 10**9,
            description=wanted.description,
        )
        return {**msgspec.to_builtins(token), "token": text}

    async def _revoke(self, request: Request) -> Response:
        token: Token = await self._credentials.remove_token(request.path_params["id"])
        return json_response(token)

    async def _whoami(self, request: Request) -> Response:
        identity: Identity = request.scope[IDENTITY]
        roles: set[str] = set()
        wanted = {"user": SubjectKind.USER, "service": SubjectKind.SERVICE}
        for binding in (await self._objects.list(RoleBinding)).items:
            for subject in binding.spec.subjects:
                who = (wanted.get(identity.principal.kind), identity.principal.name)
                if (subject.kind, subject.name) == who:
                    roles.update(binding.spec.roles)
        principal = identity.principal
        return json_response(
            {
                "kind": principal.kind,
                "name": principal.name,
                "token": identity.token,
                "roles": sorted(roles),
            }
        )

    async def _audit(self, request: Request) -> Response:
        asked = request.query_params
        known = {"actor", "verb", "kind", "name", "after", "limit"}
        if unknown := asked.keys() - known:
            raise BadRequest(f"{min(unknown)}: unknown; there are {', '.join(sorted(known))}")
        which = audit.Which(
            actor=asked.get("actor", ""),
            verb=asked.get("verb", ""),
            kind=asked.get("kind", ""),
            name=asked.get("name", ""),
            after=number(asked, "after") or 0,
            limit=max(1, min(number(asked, "limit") or 100, audit.PAGE_LIMIT)),
        )
        found = await self._database.read(lambda connection: audit.records(connection, which))
        return json_response(audit.page(found))

    async def _review(self, request: Request) -> Response:
        """Kubernetes' SelfSubjectAccessReview: `kubectl auth can-i`."""
        body = await read_json_object(request)
        try:
            spec = msgspec.convert(body, _Review).spec
        except msgspec.ValidationError as error:
            raise Invalid(f"body: {error}") from None
        asked, identity = spec.resource_attributes, request.scope[IDENTITY]
        kind = asked.resource + (f"/{asked.subresource}" if asked.subresource else "")
        action = Action(asked.verb, kind, asked.namespace or None, asked.name)
        decision = await self._authorizer.decide(identity.principal, action)
        status: dict[str, Any] = {"allowed": decision.allowed}
        if decision.nodes:
            sets = " or ".join(str(dict(each)) for each in decision.nodes)
            status["reason"] = f"only for nodes with the labels {sets}"
        return json_response(
            {
                "kind": "SelfSubjectAccessReview",
                "apiVersion": "authorization.k8s.io/v1",
                "metadata": {"creationTimestamp": None},
                "spec": body.get("spec", {}),
                "status": status,
            },
            201,
        )

    def _now_ns(self) -> int:
        return int(self._clock().timestamp() * 1e9)


async def _body(request: Request, type_: type[Any]) -> Any:
    require_json(request)
    body = await read_json_object(request)
    try:
        return msgspec.convert(body, type_)
    except msgspec.ValidationError as error:
        raise Invalid(f"body: {error}") from None


def _list(kind: str, items: list[Any]) -> dict[str, Any]:
    return {
        "kind": kind,
        "apiVersion": "access.skerry.dev/v1alpha1",
        "metadata": {},
        "items": items,
    }
