"""What an operator does, through the real API: push an app, create an App, watch it run."""

import queue
import threading
import time
from typing import Any

import msgspec

from cloud.client.api import Client, Json
from cloud.client.registry import Reference, app_artifact, push
from tests.bench.node import App
from tests.bench.processes import BenchError

WITHIN = 60.0
"""Seconds a deployment may take here before the bench gives up."""


def push_app(client: Client, app: App, tag: str, padding: bytes = b"") -> str:
    """Push an app under a tag; the artifact's digest. `padding` makes another module of it.

    Padding goes into a custom section, which changes the bytes and not the code.
    """
    wasm = app.wasm.read_bytes()
    if padding:
        body = bytes([5]) + b"bench" + padding
        wasm += bytes([0, len(body)]) + body
    manifest = msgspec.json.encode(app.manifest)
    return push(client, Reference(app.manifest.name, tag), app_artifact(manifest, wasm))


def app_object(name: str, repository: str, digest: str, **spec: Any) -> Json:
    """An App."""
    return {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "App",
        "metadata": {"name": name},
        "spec": {"artifact": {"repository": repository, "digest": digest}} | spec,
    }


class Watch:
    """AppInstances as a watch delivers them, with the moment each arrived."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._events: queue.SimpleQueue[tuple[float, str, Json]] = queue.SimpleQueue()
        self._open = threading.Event()
        self._error: Exception | None = None
        threading.Thread(target=self._follow, daemon=True).start()
        if not self._open.wait(WITHIN):
            raise BenchError("the watch does not open")
        if self._error is not None:
            raise BenchError(f"the watch failed: {self._error}")

    def running(self, app: str, count: int = 1) -> float:
        """Monotonic seconds at which the last of `count` instances of `app` was seen Running."""
        seen: set[str] = set()
        for moment, _, instance in self._until(app):
            if instance.get("status", {}).get("state") == "Running":
                seen.add(instance["spec"]["node"])
            if len(seen) >= count:
                return moment
        raise BenchError(f"{app}: {len(seen)} of {count} instances run after {WITHIN:g} s")

    def gone(self, app: str) -> None:
        """Return once an instance of `app` was deleted."""
        for _, kind, _ in self._until(app):
            if kind == "DELETED":
                return
        raise BenchError(f"{app}: still there after {WITHIN:g} s")

    def _until(self, app: str) -> Any:
        deadline = time.monotonic() + WITHIN
        while (left := deadline - time.monotonic()) > 0:
            try:
                moment, kind, instance = self._events.get(timeout=left)
            except queue.Empty:
                return
            if instance["spec"]["app"] == app:
                yield moment, kind, instance

    def _follow(self) -> None:
        try:
            with Client(self._url) as client:
                path = client.path("appinstances")
                version = client.list("appinstances")["metadata"]["resourceVersion"]
                params = {"watch": "true", "resourceVersion": version}
                with client.lines(path, params) as events:
                    self._open.set()
                    for event in events:
                        self._events.put((time.monotonic(), event["type"], event["object"]))
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            self._error = error
            self._open.set()
