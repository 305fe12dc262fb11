"""Routes of every kind: collection, object, status subresource. Generic over kinds."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct, structs
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from cloud.api import http, render
from cloud.api.admission import admit
from cloud.api.patch import apply_patch, merge_patch, unsupported
from cloud.api.watching import stream
from cloud.clock import Clock
from cloud.errors import BadRequest, Invalid, Status, StatusDetails
from cloud.kinds.meta import GROUP, VERSION, Object
from cloud.kinds.scheme import Kind
from cloud.store.objects import Objects, Preconditions, Query
from cloud.store.selectors import parse_fields, parse_labels

ROOT = f"/apis/{GROUP}/{VERSION}"
SELECTABLE = ("metadata.name", "metadata.namespace")
"""Fields that objects of every kind can be selected by."""


def routes(objects: Objects, clock: Clock) -> list[BaseRoute]:
    """All routes of all kinds of the scheme."""
    found: list[BaseRoute] = []
    for kind in objects.scheme.kinds:
        resource = Resource(kind, objects, clock)
        here = everywhere = f"{ROOT}/{kind.plural}"
        if kind.namespaced:
            here = f"{ROOT}/namespaces/{{namespace}}/{kind.plural}"
            found.append(Route(everywhere, resource.read_many, methods=["GET"]))
        found += [
            Route(here, resource.read_many, methods=["GET"]),
            Route(here, resource.create, methods=["POST"]),
            Route(here, resource.delete_many, methods=["DELETE"]),
            Route(f"{here}/{{name}}", resource.delete, methods=["DELETE"]),
        ]
        for tail, status in (("{name}", False), ("{name}/status", True)):
            replace = partial(resource.replace, status=status)
            patch = partial(resource.patch, status=status)
            found += [
                Route(f"{here}/{tail}", resource.read, methods=["GET"]),
                Route(f"{here}/{tail}", replace, methods=["PUT"]),
                Route(f"{here}/{tail}", patch, methods=["PATCH"]),
            ]
    return found


class _Preconditions(Struct, frozen=True, rename="camel"):
    uid: str | None = None
    resource_version: str | None = None


class _DeleteOptions(Struct, frozen=True, rename="camel"):
    preconditions: _Preconditions | None = None
    propagation_policy: str | None = None
    dry_run: list[str] | None = None


class Resource:
    """The verbs of one kind."""

    def __init__(self, kind: Kind[Any], objects: Objects, clock: Clock) -> None:
        self._kind = kind
        self._objects = objects
        self._clock = clock

    async def read_many(self, request: Request) -> Response:
        """List, or with `watch=true` stream events."""
        parameters = request.query_params
        query = self._query(request)
        if http.flag(parameters, "watch"):
            return await self._watch(request, query)
        page = await self._objects.list(self._kind.type, query)
        if http.wants_table(request):
            return http.json_response(
                self._table(request, page.items, page.revision, token=page.token)
            )
        return http.json_response(
            render.object_list(self._kind, self._shown(page.items), page.revision, page.token)
        )

    async def read(self, request: Request) -> Response:
        """One object, or a Table of it."""
        obj = await self._objects.get(
            self._kind.type, request.path_params["name"], self._namespace(request)
        )
        return self._answer(request, obj)

    async def create(self, request: Request) -> Response:
        """POST to a collection."""
        http.require_json(request)
        _refuse_dry_run(request.query_params.get("dryRun"))
        body = _without_nulls(await http.read_json_object(request))
        obj = admit(self._kind, body, self._namespace(request) or "")
        if obj.metadata.resource_version:
            raise BadRequest("metadata.resourceVersion: must not be set on objects to be created")
        obj = self._kind.incoming(obj, None)
        return self._answer(request, await self._objects.create(obj), 201)

    async def replace(self, request: Request, *, status: bool) -> Response:
        """PUT; without a resourceVersion it overwrites whatever is there."""
        http.require_json(request)
        body = _without_nulls(await http.read_json_object(request))
        return await self._modify(request, lambda _: body, status=status)

    async def patch(self, request: Request, *, status: bool) -> Response:
        """PATCH with a merge patch or a JSON patch."""
        media_type = http.media_type(request)
        if media_type not in {http.MERGE_PATCH, http.JSON_PATCH}:
            raise unsupported(media_type)
        body = await http.read_json(request)

        def change(current: dict[str, Any]) -> dict[str, Any]:
            patched = apply_patch(media_type, current, body)
            http.check(patched)
            return _without_nulls(patched)

        return await self._modify(request, change, status=status)

    async def delete(self, request: Request) -> Response:
        """DELETE of one object; what it owns follows soon after."""
        options = await _delete_options(request)
        wanted = options.preconditions or _Preconditions()
        obj = await self._objects.delete(
            self._kind.type,
            request.path_params["name"],
            self._namespace(request),
            Preconditions(wanted.uid or "", wanted.resource_version or ""),
        )
        details = StatusDetails(
            name=obj.metadata.name, group=GROUP, kind=self._kind.plural, uid=obj.metadata.uid
        )
        return http.json_response(
            Status(kind="Status", api_version="v1", metadata={}, status="Success", details=details)
        )

    async def delete_many(self, request: Request) -> Response:
        """DELETE of all that match."""
        await _delete_options(request)
        gone = await self._objects.delete_all(self._kind.type, self._query(request))
        return http.json_response(
            render.object_list(self._kind, self._shown(gone), self._objects.head, token="")
        )

    async def _modify(
        self,
        request: Request,
        change: Callable[[dict[str, Any]], dict[str, Any]],
        *,
        status: bool,
    ) -> Response:
        _refuse_dry_run(request.query_params.get("dryRun"))
        name, namespace = request.path_params["name"], self._namespace(request)

        def apply(current: Object) -> Object:
            wanted: Object = admit(
                self._kind,
                change(msgspec.to_builtins(self._kind.outgoing(current))),
                namespace or "",
                status=status,
            )
            if wanted.metadata.name != name:
                raise Invalid(
                    f"metadata.name: is {wanted.metadata.name!r}, the URL says {name!r}; "
                    "a name cannot change"
                )
            if not status:
                wanted = self._kind.incoming(wanted, current)
                return structs.replace(wanted, status=current.status)
            metadata = structs.replace(
                current.metadata,
                resource_version=wanted.metadata.resource_version,
                uid=wanted.metadata.uid,
            )
            return structs.replace(current, status=wanted.status, metadata=metadata)

        obj: Object = await self._objects.modify(self._kind.type, name, apply, namespace)
        return self._answer(request, obj)

    async def _watch(self, request: Request, query: Query) -> Response:
        parameters = request.query_params
        if http.flag(parameters, "sendInitialEvents"):
            raise Invalid("sendInitialEvents: not supported; list first, then watch from there")
        as_table = http.wants_table(request)
        first = True

        def show(obj: Object) -> Any:
            nonlocal first
            if not as_table:
                return self._kind.outgoing(obj)
            revision = obj.metadata.resource_version
            shown = self._table(request, [obj], revision, columns=first)
            first = False
            return shown

        lines = stream(
            self._objects,
            self._kind,
            query,
            since=http.number(parameters, "resourceVersion") or None,
            seconds=http.number(parameters, "timeoutSeconds"),
            bookmarks=http.flag(parameters, "allowWatchBookmarks"),
            show=show,
            bookmark=partial(render.bookmark, self._kind, as_table=as_table),
        )
        return StreamingResponse(lines, media_type=http.JSON)

    def _query(self, request: Request) -> Query:
        parameters = request.query_params
        known = (*SELECTABLE, *self._kind.fields)
        return Query(
            namespace=self._namespace(request),
            labels=parse_labels(parameters.get("labelSelector", "")),
            fields=parse_fields(parameters.get("fieldSelector", ""), known),
            limit=http.number(parameters, "limit") or 0,
            token=parameters.get("continue", ""),
        )

    def _namespace(self, request: Request) -> str | None:
        """What the URL says; None across all namespaces, empty for cluster-scoped kinds."""
        return request.path_params.get("namespace") if self._kind.namespaced else ""

    def _answer(self, request: Request, obj: Object, code: int = 200) -> Response:
        if http.wants_table(request):
            return http.json_response(
                self._table(request, [obj], obj.metadata.resource_version), code
            )
        return http.json_response(self._kind.outgoing(obj), code)

    def _shown(self, objects: Iterable[Any]) -> list[Any]:
        return [self._kind.outgoing(each) for each in objects]

    def _table(
        self,
        request: Request,
        items: list[Any],
        revision: int | str,
        *,
        token: str = "",
        columns: bool = True,
    ) -> Any:
        include = request.query_params.get("includeObject") or "Metadata"
        return render.table(
            self._kind,
            self._shown(items),
            self._clock(),
            include=include,
            revision=revision,
            token=token,
            columns=columns,
        )


async def _delete_options(request: Request) -> _DeleteOptions:
    _refuse_dry_run(request.query_params.get("dryRun"))
    if request.headers.get("content-length", "0") == "0" and (
        "transfer-encoding" not in request.headers
    ):
        return _DeleteOptions()
    try:
        options = msgspec.convert(await http.read_json_object(request), _DeleteOptions)
    except msgspec.ValidationError as error:
        raise BadRequest(f"body: not DeleteOptions: {error}") from None
    _refuse_dry_run(options.dry_run)
    if options.propagation_policy == "Orphan":
        raise BadRequest("propagationPolicy: Orphan is not supported: an App's instances go too")
    return options


def _without_nulls(body: dict[str, Any]) -> dict[str, Any]:
    """As Kubernetes reads them: a null is a field that was not given."""
    found: dict[str, Any] = merge_patch({}, body)
    return found


def _refuse_dry_run(wanted: object) -> None:
    if wanted:
        raise BadRequest("dryRun: not supported by this service; nothing was changed")
