"""From a request's line to the action it asks for. Pure.

It sees the same decoded path as the router. What it does not know is `unknown`, which only a rule
for everything allows: a new route is closed until it is named here.
"""

import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from cloud.access.policy import Action

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch"}
_DISCOVERY = re.compile(
    r"/version|/api|/api/v1|/apis|/apis/skerry\.dev|/apis/skerry\.dev/v1alpha1"
    r"|/openapi/v2|/openapi/v3|/openapi/v3/apis/skerry\.dev/v1alpha1"
)
_NAMESPACES = re.compile(r"/api/v1/(?P<kind>namespaces)(?:/(?P<name>[^/]+))?")
_OBJECTS = re.compile(
    r"/apis/skerry\.dev/v1alpha1(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<kind>[a-z]+)(?:/(?P<name>[^/]+)(?P<sub>/status)?)?"
)
_TELEMETRY = re.compile(r"/apis/telemetry\.skerry\.dev/v1alpha1/(?P<what>[a-z]+)")
_ACCESS = re.compile(r"/apis/access\.skerry\.dev/v1alpha1/(?P<kind>[a-z]+)(?:/(?P<name>[^/]+))?")
_IDENTITY = re.compile(
    r"/apis/identity\.skerry\.dev/v1alpha1/(?P<part>[a-z]+)(?:/(?P<name>[^/]+))?(?:/[a-z]+)?"
)
_IDENTITY_KINDS = {"tokens": "jointokens", "requests": "joinrequests", "nodes": "identities"}
_FIXED = {
    "/metrics": Action("get", "metrics"),
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": Action(
        "create", "selfsubjectaccessreviews"
    ),
}
_REGISTRY = re.compile(
    r"/v2(?:/|/_catalog|/(?P<name>.+)/(?P<part>blobs|manifests|tags|referrers)/(?P<rest>.+))?"
)
_Query = Mapping[str, list[str]]
_CLUSTER_KINDS = frozenset({"nodes", "roles", "rolebindings"})


def action_of(method: str, path: str, query: bytes) -> Action:
    """What a request asks for."""
    verb = _VERBS.get(method, "delete")
    if path in _FIXED:
        return _FIXED[path]
    if _DISCOVERY.fullmatch(path):
        return Action(verb, "discovery")
    asked = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    for pattern, reads in _READERS:
        if match := pattern.fullmatch(path):
            return reads(verb, match, asked)
    return Action(verb, "unknown", "", path)


def _named(verb: str, match: re.Match[str], _: _Query) -> Action:
    kind, name = match["kind"], match["name"] or ""
    return Action(_listed(verb, name), kind, "", name)


def _identity(verb: str, match: re.Match[str], _: _Query) -> Action:
    """Approving and revoking are a `create` on what is named."""
    part, name = match["part"], match["name"] or ""
    node = name if part in {"requests", "nodes"} else ""
    return Action(_listed(verb, name), _IDENTITY_KINDS.get(part, "authority"), "", name, node)


def _telemetry(_verb: str, match: re.Match[str], asked: _Query) -> Action:
    kind = "logs" if match["what"] == "logs" else "telemetry"
    streams = _flag(asked, "watch") or _flag(asked, "follow")
    return Action("watch" if streams else "list", kind, node=_last(asked, "node"))


def _object(verb: str, match: re.Match[str], asked: _Query) -> Action:
    kind, name = match["kind"], match["name"] or ""
    verb = _listed(verb, name)
    if verb == "list" and _flag(asked, "watch"):
        verb = "watch"
    node = ""
    if kind == "nodes":
        node = name
    elif kind in {"appinstances", "firmwareinstances"}:
        node = name.partition(".")[2] if name else _field(asked, "spec.node")
    namespace = "" if kind in _CLUSTER_KINDS else match["namespace"]
    return Action(verb, kind + (match["sub"] or ""), namespace, name, node)


def _registry(verb: str, match: re.Match[str], _: _Query) -> Action:
    name, part, rest = match["name"], match["part"], match["rest"]
    if name is None:
        return Action("get", "discovery") if verb == "get" else Action(verb, "artifacts")
    if part == "blobs" and rest is not None and rest.startswith("uploads/"):
        verb = "create"
    return Action("create" if verb == "update" else verb, "artifacts", "", name)


def _listed(verb: str, name: str | None) -> str:
    """The verb on a collection: `list` for `get`, `deletecollection` for `delete`."""
    if name:
        return verb
    return {"get": "list", "delete": "deletecollection"}.get(verb, verb)


def _last(asked: _Query, name: str) -> str:
    """As the routes read a parameter: the last one counts."""
    return asked.get(name, [""])[-1]


def _flag(asked: _Query, name: str) -> bool:
    return _last(asked, name).lower() in {"1", "true"}


def _field(asked: _Query, path: str) -> str:
    """The value that a field selector fixes; empty when it does not."""
    for part in _last(asked, "fieldSelector").split(","):
        field, equals, value = part.partition("=")
        if equals and field.strip() == path:
            return value.lstrip("=").strip()
    return ""


_READERS: tuple[tuple[re.Pattern[str], Callable[[str, re.Match[str], _Query], Action]], ...] = (
    (_NAMESPACES, _named),
    (_REGISTRY, _registry),
    (_TELEMETRY, _telemetry),
    (_ACCESS, _named),
    (_IDENTITY, _identity),
    (_OBJECTS, _object),
)
