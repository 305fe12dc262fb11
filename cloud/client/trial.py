"""A trial: one App on one node for as long as a person at a desk wants it, and what happens to it.

No version of a trial counts as good (`settle` is a day), so none raises the node's floor of versions
and none is put back when the next one fails. What happens is told to a `Listener`, by threads of the
trial that outlive a cloud that was away and then go on where they were.
"""

import sys
import threading
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from cloud.client.api import NOT_FOUND, Client, Json
from cloud.client.apps import app_body, push_built
from cloud.client.built import Built
from cloud.client.errors import ClientError, InputError, RefusedError, UnreachableError
from cloud.client.readings import LIMIT_MAX, TELEMETRY
from cloud.kinds.meta import LABEL_NODE

MARK = "skerry.dev/run"
"""Label of Apps that `run` and `repl` made, and may remove."""
TRIAL: Json = {
    "restart": {"policy": "Always", "backoff": 3600, "backoff_max": 86400, "settle": 86400},
    "rollout": {"progressDeadlineSeconds": 86400},
}
"""An app that ends stays so until the next save."""
RETRY = 1.0
"""Seconds until a stream that broke is opened again."""
WATCH = 3600.0
"""Seconds of one watch; then it is opened again."""


class Listener(Protocol):
    """Hears what happens; each of the three on a thread of its own."""

    def line(self, line: Json) -> None:
        """A line of the app, or with `dropped` word of lines that its node lost."""
        ...

    def app(self, app: Json) -> None:
        """The App as it is now."""
        ...

    def instance(self, instance: Json) -> None:
        """The App on the node as it is now."""
        ...


class Trial:
    """One App on one node. Its methods from one thread; the listener is called from others."""

    def __init__(
        self, client: Client, args: Namespace, listener: Listener, spec: Json | None = None
    ) -> None:
        """`spec`: what makes it a trial, beside artifact and selector."""
        self.name = ""
        self.client = client
        self._url: str = args.cloud
        self._args = args
        self._listener = listener
        self._spec = TRIAL if spec is None else spec
        self._deployed = ""
        """Digest of the artifact that the App has."""
        self._over = threading.Event()
        self._cursor = 0
        """Of the last line that was heard or was there before."""

    def check(self) -> None:
        """Raise InputError for a node that the cloud does not know, and tell when it is away."""
        try:
            connected = self.connected()
        except RefusedError as error:
            if error.code != NOT_FOUND:
                raise
            have = [each["metadata"]["name"] for each in self.client.list("nodes")["items"]]
            raise InputError(
                f"--on: there is no node {self._args.on!r}; the cloud has "
                f"{', '.join(have[:20]) or 'none'}"
            ) from None
        if not connected:
            say(f"{self._args.on} is not connected; it runs the app when it is")

    def connected(self) -> bool:
        """Whether the cloud hears the node."""
        node = self.client.get("nodes", self._args.on)
        conditions = node.get("status", {}).get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def take(self, name: str, *, again: bool) -> None:
        """Take the name and listen; InputError when an App has it, unless `run` made it and `again`."""
        try:
            there = self.client.get("apps", name)
        except RefusedError as error:
            if error.code != NOT_FOUND:
                raise
        else:
            ours = MARK in there["metadata"].get("labels", {})
            if not (ours and again):
                remedy = f"; `skerry delete app {name}` removes it" if ours else ""
                raise InputError(
                    f"--name: there is an App {name!r} already; give this run another name: "
                    f"--name {name}-dev{remedy}"
                )
        self.name = name
        self._cursor = self._newest_line()
        for follow in (self._follow_lines, self._follow_app, self._follow_instance):
            threading.Thread(target=self._again_and_again, args=(follow,), daemon=True).start()

    def bring(self, built: Built) -> bool:
        """Have the node run this; False when it does so already. Raises ClientError."""
        reference, digest = push_built(self.client, built, None, self._args, quiet=True)
        if digest == self._deployed:
            return False
        artifact = {"repository": reference.repository, "digest": digest, "reference": None}
        self.client.apply(self._body(artifact, trial=True))
        self._deployed = digest
        return True

    def change(self, spec: Json) -> None:
        """Change fields of its spec; raises ClientError."""
        self.client.patch("apps", self.name, {"spec": spec})

    def leave(self, *, keep: bool, hint: str = "") -> None:
        """Remove the App, or leave it there as any other."""
        self._over.set()
        if not self._deployed:
            return
        if keep:
            self.client.patch("apps", self.name, self._body({}, trial=False))
            say(f"app/{self.name} stays; `skerry delete app {self.name}` removes it")
            return
        there = True
        try:
            with suppress(RefusedError):
                self.client.delete("apps", self.name)
                there = self.connected()
        except UnreachableError:
            say(f"app/{self.name} is still there; `skerry delete app {self.name}` removes it")
            raise
        later = "" if there else f"; {self._args.on} lets it go when it is back"
        say(f"app/{self.name} is removed{later}{hint}")

    def _body(self, artifact: Json, *, trial: bool) -> Json:
        body = app_body(self.name, artifact, self._args)
        body["metadata"]["labels"] = {MARK: "trial" if trial else None}
        spec = body["spec"]
        spec["selector"] = {"matchLabels": {LABEL_NODE: self._args.on}}
        for key, value in self._spec.items():
            spec[key] = {**spec.get(key, {}), **value} if trial else None
        return body

    # --- what happens, each on a thread of its own -----------------------------------------------

    def _newest_line(self) -> int:
        with self.client.lines(f"{TELEMETRY}/logs", self._which("1")) as lines:
            return max((int(line["cursor"]) for line in lines), default=0)

    def _which(self, tail: str) -> dict[str, str]:
        return {"node": self._args.on, "app": self.name, "tail": tail}

    def _follow_lines(self, client: Client) -> None:
        which = self._which(str(LIMIT_MAX)) | {"follow": "true"}
        with client.lines(f"{TELEMETRY}/logs", which) as lines:
            for line in lines:
                if line.get("type") != "BOOKMARK" and line["cursor"] > self._cursor:
                    self._cursor = line["cursor"]
                    self._listener.line(line)

    def _follow_app(self, client: Client) -> None:
        for app in client.watch("apps", fields=f"metadata.name={self.name}", timeout=WATCH):
            self._listener.app(app)

    def _follow_instance(self, client: Client) -> None:
        fields = f"metadata.name={self.name}.{self._args.on}"
        for instance in client.watch("appinstances", fields=fields, timeout=WATCH):
            self._listener.instance(instance)

    def _again_and_again(self, follow: Callable[[Client], None]) -> None:
        """Follow until the trial is over, also past a cloud that was away."""
        while not self._over.is_set():
            with suppress(ClientError), Client(self._url) as client:
                follow(client)
            self._over.wait(RETRY)


def degraded(app: Json) -> tuple[str, str]:
    """Reason and message of what is wrong with an App; empty when nothing is."""
    for each in app.get("status", {}).get("conditions", []):
        if each["type"] == "Degraded" and each["status"] == "True":
            return each["reason"], each["message"]
    return "", ""


def say(text: str) -> None:
    """Tell the person at the desk."""
    sys.stderr.write(f"-- {text}\n")
    sys.stderr.flush()
