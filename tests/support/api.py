"""The API as a test talks to it, and objects as clients write them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

ROOT = "/apis/skerry.dev/v1alpha1"
APPS = f"{ROOT}/namespaces/default/apps"
NODES = f"{ROOT}/nodes"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
MERGE = {"content-type": "application/merge-patch+json"}
JSON_PATCH = {"content-type": "application/json-patch+json"}


def app_body(name: str = "thermo", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "App",
        "metadata": {"name": name},
        "spec": {"artifact": {"repository": "thermo", "reference": "1.0.0"}, **spec},
    }


def node_body(name: str, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {},
    }


@contextmanager
def events(api: httpx.Client, path: str, **params: Any) -> Iterator[Iterator[dict[str, Any]]]:
    """Events of a watch."""
    query = {"watch": "true", **params}
    with api.stream("GET", path, params=query, timeout=20) as response:
        yield (json.loads(line) for line in response.iter_lines() if line)
