"""The kinds as OpenAPI v2 and v3, made from the Structs, so that it can never be out of date."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from cloud.api.http import json_response
from cloud.api.resources import ROOT
from cloud.kinds.meta import GROUP, VERSION
from cloud.kinds.scheme import Kind, Scheme

_IN_PATH = re.compile(r"{(\w+)}")
_IN_QUERY = ("labelSelector", "fieldSelector", "limit", "continue", "resourceVersion")
"""Of a list; `watch` is told by Kubernetes' own documents."""
_PATCHES = ("merge", "json")
INFO = {"title": "Skerry", "version": VERSION}
PREFIX = "dev.skerry.v1alpha1."
PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
EMPTY_PROTOBUF = b"\x0a\x032.0\x12\x12\x0a\x06Skerry\x12\x08v1alpha1"
"""gnostic's openapi.v2.Document with `swagger` and `info` only: kubectl then validates nothing
itself and leaves it to us, who say more."""


def routes(scheme: Scheme) -> list[BaseRoute]:
    """The documents."""
    v2 = msgspec.json.encode(
        {
            "swagger": "2.0",
            "info": INFO,
            "paths": _paths(scheme.kinds, "#/definitions/"),
            "definitions": _schemas(scheme.kinds, "#/definitions/"),
        }
    )
    v3 = {
        "openapi": "3.0.0",
        "info": INFO,
        "paths": _paths(scheme.kinds, "#/components/schemas/"),
        "components": {"schemas": _schemas(scheme.kinds, "#/components/schemas/")},
    }

    async def version_2(request: Request) -> Response:
        if PROTOBUF in request.headers.get("accept", ""):
            # Go refuses the `@` of the type asked for as a content type.
            return Response(EMPTY_PROTOBUF, media_type="application/octet-stream")
        return Response(v2, media_type="application/json")

    async def index(_request: Request) -> Response:
        return json_response(
            {"paths": {ROOT.lstrip("/"): {"serverRelativeURL": f"/openapi/v3{ROOT}"}}}
        )

    async def version_3(_request: Request) -> Response:
        return json_response(v3)

    return [
        Route("/openapi/v2", version_2, methods=["GET"]),
        Route("/openapi/v3", index, methods=["GET"]),
        Route(f"/openapi/v3{ROOT}", version_3, methods=["GET"]),
    ]


def _schemas(kinds: Iterable[Kind[Any]], prefix: str) -> dict[str, Any]:
    listed = list(kinds)
    _, found = msgspec.json.schema_components(
        [kind.type for kind in listed], ref_template=f"{prefix}{PREFIX}{{name}}"
    )
    schemas: dict[str, Any] = {f"{PREFIX}{name}": schema for name, schema in found.items()}
    for kind in listed:
        schema = schemas[PREFIX + kind.name]
        schema["x-kubernetes-group-version-kind"] = [_gvk(kind)]
    _draft_4(schemas)
    return schemas


def _draft_4(schema: Any) -> None:
    """Bounds that are left out, as JSON Schema draft 4 says it: OpenAPI before 3.1 knows no other."""
    if isinstance(schema, dict):
        bound = schema.get("exclusiveMinimum")
        if isinstance(bound, int | float) and not isinstance(bound, bool):
            schema["minimum"], schema["exclusiveMinimum"] = bound, True
        for each in schema.values():
            _draft_4(each)
    elif isinstance(schema, list):
        for each in schema:
            _draft_4(each)


def _paths(kinds: Iterable[Kind[Any]], prefix: str) -> dict[str, Any]:
    """v2 stays as kubectl needs it; v3 says all that a request may hold, too."""
    paths: dict[str, Any] = {}
    for kind in kinds:
        scope = "/namespaces/{namespace}" if kind.namespaced else ""
        collection = f"{ROOT}{scope}/{kind.plural}"
        body = {"schema": {"$ref": f"{prefix}{PREFIX}{kind.name}"}}
        paths[collection] = _operations(kind, {"get": "list", "post": "post"}, body)
        paths[f"{collection}/{{name}}"] = _operations(
            kind, {"get": "get", "put": "put", "patch": "patch", "delete": "delete"}, body
        )
    if "components" in prefix:
        for path, operations in paths.items():
            operations["parameters"] = [_parameter("path", n) for n in _IN_PATH.findall(path)]
    return paths


def _operations(kind: Kind[Any], verbs: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    v3 = "components" in body["schema"]["$ref"]
    answer = {"content": {"application/json": body}} if v3 else body
    return {
        method: {
            "operationId": f"{action}{kind.name}",
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": _gvk(kind),
            "responses": {"200": {"description": "OK", **answer}},
            **(_request(action, body) if v3 else {}),
        }
        for method, action in verbs.items()
    }


def _request(action: str, body: dict[str, Any]) -> dict[str, Any]:
    """What comes with a request, for v3."""
    match action:
        case "list":
            return {"parameters": [_parameter("query", name) for name in _IN_QUERY]}
        case "post" | "put":
            return {"requestBody": {"required": True, "content": {"application/json": body}}}
        case "patch":
            patches: dict[str, Any] = {f"application/{kind}-patch+json": {} for kind in _PATCHES}
            return {"requestBody": {"required": True, "content": patches}}
        case _:
            return {}


def _parameter(place: str, name: str) -> dict[str, Any]:
    return {"in": place, "name": name, "required": place == "path", "schema": {"type": "string"}}


def _gvk(kind: Kind[Any]) -> dict[str, str]:
    return {"group": GROUP, "version": VERSION, "kind": kind.name}
