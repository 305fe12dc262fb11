"""What a client asks first: groups, resources, version, namespaces, health."""

import platform
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from cloud.api.http import json_response, wants_table
from cloud.kinds.meta import API_VERSION, DEFAULT_NAMESPACE, GROUP, VERSION
from cloud.kinds.scheme import Kind, Scheme
from cloud.store.objects import Objects

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
STATUS_VERBS = ["get", "patch", "update"]
SKERRY = "0.1.0"


def routes(objects: Objects) -> list[BaseRoute]:
    """Discovery and health."""
    group = {
        "name": GROUP,
        "versions": [{"groupVersion": API_VERSION, "version": VERSION}],
        "preferredVersion": {"groupVersion": API_VERSION, "version": VERSION},
    }
    version = {
        "major": "1",
        "minor": "20",
        "gitVersion": f"v1.20.0+skerry-{SKERRY}",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation(),
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    }
    fixed: dict[str, Any] = {
        "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]},
        f"/apis/{GROUP}": {"kind": "APIGroup", "apiVersion": "v1", **group},
        f"/apis/{GROUP}/{VERSION}": _resource_list(objects.scheme),
        "/api/v1": _core_resources(),
        "/version": version,
    }
    found: list[BaseRoute] = [
        Route(path, _constant(value), methods=["GET"]) for path, value in fixed.items()
    ]

    async def namespaces(request: Request) -> Response:
        names = await objects.namespaces()
        return json_response(_namespace_list(request, sorted({DEFAULT_NAMESPACE, *names})))

    async def namespace(request: Request) -> Response:
        return json_response(_namespace(request.path_params["name"]))

    async def ready(_request: Request) -> Response:
        await objects.namespaces()
        return PlainTextResponse("ok")

    async def alive(_request: Request) -> Response:
        return PlainTextResponse("ok")

    return [
        *found,
        Route("/api/v1/namespaces", namespaces, methods=["GET"]),
        Route("/api/v1/namespaces/{name}", namespace, methods=["GET"]),
        Route("/readyz", ready, methods=["GET"]),
        Route("/healthz", alive, methods=["GET"]),
        Route("/livez", alive, methods=["GET"]),
    ]


def _constant(value: Any) -> Any:
    async def endpoint(_request: Request) -> Response:
        return json_response(value)

    return endpoint


def _resource_list(scheme: Scheme) -> Any:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": API_VERSION,
        "resources": [entry for kind in scheme.kinds for entry in _resources(kind)],
    }


def _resources(kind: Kind[Any]) -> list[Any]:
    common = {"namespaced": kind.namespaced, "kind": kind.name}
    return [
        {
            **common,
            "name": kind.plural,
            "singularName": kind.singular,
            "shortNames": list(kind.short_names),
            "categories": ["all"] if kind.namespaced else [],
            "verbs": VERBS,
        },
        {**common, "name": f"{kind.plural}/status", "singularName": "", "verbs": STATUS_VERBS},
    ]


def _core_resources() -> Any:
    return {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {
                "name": "namespaces",
                "singularName": "namespace",
                "namespaced": False,
                "kind": "Namespace",
                "shortNames": ["ns"],
                "verbs": ["get", "list"],
            }
        ],
    }


def _namespace(name: str) -> Any:
    """Namespaces are not made: each is there once it is used."""
    return {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {"name": name, "creationTimestamp": None},
        "spec": {},
        "status": {"phase": "Active"},
    }


def _namespace_list(request: Request, names: list[str]) -> Any:
    if wants_table(request):
        return {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": {},
            "columnDefinitions": [
                {
                    "name": "Name",
                    "type": "string",
                    "format": "name",
                    "description": "",
                    "priority": 0,
                },
                {
                    "name": "Status",
                    "type": "string",
                    "format": "",
                    "description": "",
                    "priority": 0,
                },
            ],
            "rows": [{"cells": [name, "Active"], "object": _partial(name)} for name in names],
        }
    return {
        "kind": "NamespaceList",
        "apiVersion": "v1",
        "metadata": {},
        "items": [_namespace(name) for name in names],
    }


def _partial(name: str) -> Any:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"name": name, "creationTimestamp": None},
    }
