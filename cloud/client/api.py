"""The cloud's HTTP API from a desk: objects, watches, plain reads. Blocking; one thread."""

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from cloud.client import context
from cloud.client.errors import InputError, RefusedError, UnreachableError

GROUP = "/apis/skerry.dev/v1alpha1"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
MERGE_PATCH = "application/merge-patch+json"
NOT_FOUND = 404
TIMEOUT = httpx.Timeout(30.0, connect=5.0)

Json = dict[str, Any]


class Client:
    """One cloud. `with` closes its connections."""

    def __init__(self, url: str, token: str | None = None) -> None:
        """`token` None: the one that is kept for this cloud."""
        self.url = url.rstrip("/")
        check_scheme(self.url)
        known = context.find(self.url)
        sent = known.token if token is None else token
        self._http = httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {sent}"} if sent else {},
            timeout=TIMEOUT,
            follow_redirects=False,
            verify=context.tls(known) if self.url.startswith("https:") else False,
        )
        self._resources: dict[str, Json] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    # --- objects -------------------------------------------------------------------------------

    def path(self, kind: str, name: str | None = None, namespace: str = "default") -> str:
        """URL path of a kind (plural, singular or short name) or of one object."""
        resource = self._resource(kind)
        scope = f"/namespaces/{namespace}" if resource["namespaced"] else ""
        tail = f"/{name}" if name is not None else ""
        return f"{GROUP}{scope}/{resource['name']}{tail}"

    def get(self, kind: str, name: str, *, table: bool = False) -> Json:
        """One object, or the server's Table of it."""
        return self.json("GET", self.path(kind, name), headers=_accept(table=table))

    def list(
        self, kind: str, *, selector: str = "", fields: str = "", table: bool = False
    ) -> Json:
        """All objects of a kind that match, or the server's Table of them."""
        params = {"labelSelector": selector, "fieldSelector": fields}
        return self.json(
            "GET",
            self.path(kind),
            params={name: value for name, value in params.items() if value},
            headers=_accept(table=table),
        )

    def apply(self, body: Json) -> tuple[Json, str]:
        """Create the object, or merge it into the one that exists; the word says which."""
        kind, name = str(body["kind"]), str(body["metadata"]["name"])
        try:
            self.get(kind, name)
        except RefusedError as error:
            if error.code != NOT_FOUND:
                raise
            return self.json("POST", self.path(kind), content=_dump(body)), "created"
        return self.patch(kind, name, body), "configured"

    def patch(self, kind: str, name: str, body: Json) -> Json:
        """Merge-patch an object (RFC 7396)."""
        return self.json(
            "PATCH",
            self.path(kind, name),
            content=_dump(body),
            headers={"content-type": MERGE_PATCH},
        )

    def delete(self, kind: str, name: str) -> Json:
        """Delete an object."""
        return self.json("DELETE", self.path(kind, name))

    def watch(self, kind: str, *, fields: str, timeout: float) -> Iterator[Json]:
        """Objects of `kind` as they are and change, until `timeout` seconds passed."""
        listed = self.list(kind, fields=fields)
        yield from listed["items"]
        params = {
            "watch": "true",
            "fieldSelector": fields,
            "resourceVersion": listed["metadata"]["resourceVersion"],
            "timeoutSeconds": str(max(1, int(timeout))),
        }
        with self.lines(self.path(kind), params) as events:
            for event in events:
                if event["type"] in {"ADDED", "MODIFIED", "DELETED"}:
                    yield event["object"]

    # --- plain HTTP ----------------------------------------------------------------------------

    def json(self, method: str, path: str, **options: Any) -> Json:
        """The decoded body of an answer; raises RefusedError for 4xx and 5xx."""
        if "content" in options:
            options.setdefault("headers", {}).setdefault("content-type", "application/json")
        body: Json = self.request(method, path, **options).json()
        return body

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """An answer; raises RefusedError for 4xx and 5xx, UnreachableError without any."""
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if response.is_error:
            raise _refused(response)
        return response

    @contextmanager
    def lines(self, path: str, params: Mapping[str, str]) -> Generator[Iterator[Json]]:
        """A streamed answer of JSON lines, without a read time-out."""
        stream = self._http.stream(
            "GET", path, params=dict(params), timeout=httpx.Timeout(None, connect=5.0)
        )
        try:
            with stream as response:
                if response.is_error:
                    response.read()
                    raise _refused(response)
                yield (json.loads(line) for line in response.iter_lines() if line)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    # --- helpers -------------------------------------------------------------------------------

    def _resource(self, kind: str) -> Json:
        if self._resources is None:
            found = self.json("GET", GROUP)["resources"]
            self._resources = {}
            for resource in found:
                if "/" in resource["name"]:
                    continue
                names = [resource["name"], resource["singularName"], resource["kind"].lower()]
                for alias in names + resource.get("shortNames", []):
                    self._resources[alias] = resource
        resource = self._resources.get(kind.lower())
        if resource is None:
            have = sorted({str(known["name"]) for known in self._resources.values()})
            raise InputError(f"kind: the cloud has no {kind!r}; it has {', '.join(have)}")
        return resource

    def _unreachable(self, error: httpx.TransportError) -> UnreachableError:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return UnreachableError(
                f"{self.url} shows a certificate that is not trusted here ({error}). Trust its CA: "
                f"skerry trust {self.url} --pin sha256:…, with the pin of `skerry ca show`"
            )
        return UnreachableError(
            f"no cloud answers at {self.url} ({str(error) or type(error).__name__}). "
            "Start one with `skerry cloud`, or name another: --cloud URL or SKERRY_CLOUD=URL"
        )


def check_scheme(url: str) -> None:
    """Raises InputError for plain HTTP to anywhere but this machine."""
    host = httpx.URL(url).host
    if url.startswith("http:") and host not in {"127.0.0.1", "localhost", "::1"}:
        raise InputError(f"--cloud: {url} is not encrypted; use https://")


def _accept(*, table: bool) -> dict[str, str]:
    return {"accept": TABLE if table else "application/json"}


def _dump(body: Json) -> bytes:
    return json.dumps(body).encode()


def _refused(response: httpx.Response) -> RefusedError:
    """The cloud's own words, from a Kubernetes Status or an OCI error body."""
    try:
        body: Json = response.json()
    except ValueError:
        body = {}
    if errors := body.get("errors"):
        text = "; ".join(f"{e.get('code')}: {e.get('message')}" for e in errors)
        return RefusedError(text, code=response.status_code, reason=str(errors[0].get("code")))
    text = str(body.get("message") or f"HTTP {response.status_code} from {response.url}")
    return RefusedError(text, code=response.status_code, reason=str(body.get("reason", "")))
