"""`skerry app run`: an app on one node for as long as a person watches it; again at each save.

A run is a trial. No version counts as good (`settle` is a day), so none raises the node's floor of
versions and none is put back when the next one fails; an app that ends stays so until the next
save. Lines of the app go to standard output, what happens to it to standard error.
"""

import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from cloud.client.api import NOT_FOUND, Client, Json
from cloud.client.apps import app_body, push_built
from cloud.client.built import Built, load
from cloud.client.errors import ClientError, InputError, RefusedError
from cloud.client.readings import SEVERITY, TELEMETRY
from cloud.client.registry import digest_of
from cloud.client.saving import Sources
from cloud.clock import utc_now
from cloud.controllers.summary import THRESHOLD_REACHED
from cloud.kinds.meta import LABEL_NODE
from edge.wire.messages import DesiredApp, Files, Module

MARK = "skerry.dev/run"
"""Label of Apps that `run` made, and may change and remove."""
TRIAL: Json = {
    "restart": {"policy": "Always", "backoff": 3600, "backoff_max": 86400, "settle": 86400},
    "rollout": {"progressDeadlineSeconds": 86400},
}
RETRY = 1.0
"""Seconds until a stream that broke is opened again."""
WATCH = 3600.0
"""Seconds of one watch; then it is opened again."""
FOLLOWED = frozenset({THRESHOLD_REACHED, "NodesFailed"})
"""Reasons of an App that the state of its instance tells better."""

Build = Callable[[Path, Callable[[str], None]], str]
"""Builds a project; what is wrong with it, nothing when it is built."""


def run(args: Namespace) -> None:
    """Build, push, deploy to one node, show what it says; with --watch again at each save."""
    directory: Path = args.directory
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    with Client(args.cloud) as client:
        trial = Trial(client, directory, args)
        trial.check()
        try:
            _play(trial, Sources(directory), watch=args.watch)
        finally:
            trial.leave(keep=args.keep)


def _play(trial: "Trial", sources: Sources, *, watch: bool) -> None:
    saved = sources.newest()
    while True:
        try:
            trial.again(saved)
        except ClientError as error:
            if not watch:
                raise
            say(str(error))
        if not watch:
            threading.Event().wait()
        saved = sources.wait_for_change()


class Trial:
    """One App on one node. `again` and `leave` from one thread; two others show what happens."""

    def __init__(self, client: Client, directory: Path, args: Namespace) -> None:
        self.url: str = args.cloud
        self._client = client
        self._directory = directory
        self._args = args
        self._build: Build = args.build
        self._name = ""
        self._deployed = ""
        """Digest of the artifact that the App has."""
        self._wanted = _Wanted()

    def check(self) -> None:
        """Raise InputError for a node that the cloud does not know, and tell when it is away."""
        try:
            node = self._client.get("nodes", self._args.on)
        except RefusedError as error:
            if error.code != NOT_FOUND:
                raise
            have = [each["metadata"]["name"] for each in self._client.list("nodes")["items"]]
            raise InputError(
                f"--on: there is no node {self._args.on!r}; the cloud has "
                f"{', '.join(have[:20]) or 'none'}"
            ) from None
        conditions = node.get("status", {}).get("conditions", [])
        if not any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
            say(f"{self._args.on} is not connected; it runs the app when it is")

    def again(self, saved: float) -> None:
        """Bring what was saved at `saved` (seconds since 1970) to the node; raises ClientError."""
        problem = self._build(self._directory, say)
        if problem:
            raise InputError(problem)
        built = load(self._directory)
        if not self._name:
            self._begin(self._args.name or built.manifest.name)
        self._wanted.expect(_code_digest(built), saved)
        reference, digest = push_built(self._client, built, None, self._args, quiet=True)
        if digest == self._deployed:
            say("nothing has changed")
            return
        artifact = {"repository": reference.repository, "digest": digest, "reference": None}
        self._client.apply(self._body(artifact, trial=True))
        self._deployed = digest
        say(f"{len(built.files) or len(built.module)} bytes for {self._args.on}")

    def leave(self, *, keep: bool) -> None:
        """Remove the App, or leave it there as any other."""
        self._wanted.over.set()
        if not self._deployed:
            return
        if keep:
            self._client.patch("apps", self._name, self._body({}, trial=False))
            say(f"app/{self._name} stays; `skerry delete app {self._name}` removes it")
            return
        with suppress(RefusedError):
            self._client.delete("apps", self._name)
        say(f"app/{self._name} is removed; --keep leaves it")

    def _begin(self, name: str) -> None:
        """Take the name; InputError when an App has it that `run` did not make."""
        try:
            there = self._client.get("apps", name)
        except RefusedError as error:
            if error.code != NOT_FOUND:
                raise
        else:
            if MARK not in there["metadata"].get("labels", {}):
                raise InputError(
                    f"--name: there is an App {name!r} already; give this run another name: "
                    f"--name {name}-dev"
                )
        self._name = name
        for follow in (self._follow_lines, self._follow_app, self._follow_instance):
            threading.Thread(target=_again_and_again, args=(follow, self), daemon=True).start()

    def _body(self, artifact: Json, *, trial: bool) -> Json:
        body = app_body(self._name, artifact, self._args)
        body["metadata"]["labels"] = {MARK: "trial" if trial else None}
        body["spec"]["selector"] = {"matchLabels": {LABEL_NODE: self._args.on}}
        body["spec"] |= TRIAL if trial else dict.fromkeys(TRIAL)
        return body

    # --- what happens, each on a thread of its own -----------------------------------------------

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self._wanted.over.is_set()

    def _follow_lines(self, client: Client) -> None:
        which = {"node": self._args.on, "app": self._name, "tail": "1"}
        with client.lines(f"{TELEMETRY}/logs", which) as lines:
            before = list(lines)
        with client.lines(f"{TELEMETRY}/logs", which | {"follow": "true"}) as lines:
            for line in lines:
                if line.get("type") != "BOOKMARK" and line not in before:
                    _show(line)

    def _follow_app(self, client: Client) -> None:
        told = ""
        for app in client.watch("apps", fields=f"metadata.name={self._name}", timeout=WATCH):
            for each in app.get("status", {}).get("conditions", []):
                degraded = each["type"] == "Degraded" and each["status"] == "True"
                text = f"{each['reason']}: {each['message']}"
                if degraded and each["reason"] not in FOLLOWED and text != told:
                    told = text
                    say(text)

    def _follow_instance(self, client: Client) -> None:
        fields = f"metadata.name={self._name}.{self._args.on}"
        for instance in client.watch("appinstances", fields=fields, timeout=WATCH):
            text = self._wanted.news(instance)
            if text:
                say(text)


class _Wanted:
    """What shall run, and what was told of it; any thread."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._digest = ""
        self._saved = 0.0
        self._told = ""

    def expect(self, digest: str, saved: float) -> None:
        """From now on this; it was saved then."""
        with self._lock:
            self._digest, self._saved, self._told = digest, saved, ""

    def news(self, instance: Json) -> str:
        """What a person wants to hear of this status, once."""
        status = instance.get("status", {})
        current = status.get("observedGeneration") == instance["metadata"]["generation"]
        with self._lock:
            failed = current and status.get("state") == "Failed"
            if not current or not (status.get("digest") == self._digest or failed):
                return ""
            text = _story(status, utc_now().timestamp() - self._saved)
            kind = text.partition(" ")[0]
            if kind in {"", self._told}:
                return ""
            self._told = kind
            return text


def _story(status: Json, since: float) -> str:
    """Where the app is, in one line that begins with a word for it."""
    state, message = status.get("state", ""), status.get("message", "")
    if state == "Running":
        return f"running, {since:.2f} s after it was saved"
    if state == "Exited":
        return f"ended with code {status.get('exitCode')}"
    if state in {"Pending", "Fetching", "Compiling"}:
        return ""
    return f"{state}: {message}"


def _code_digest(built: Built) -> str:
    """What the node will call it."""
    name = built.manifest.name
    module = Module(repository=name, digest=digest_of(built.module), size=len(built.module))
    files = (
        Files(repository=name, digest=digest_of(built.files), size=len(built.files))
        if built.files
        else None
    )
    return DesiredApp(manifest=built.manifest, module=module, files=files).code_digest


def _again_and_again(follow: Callable[[Client], None], trial: Trial) -> None:
    """Follow until the run is over, also past a cloud that was away."""
    while not trial.over:
        with suppress(ClientError), Client(trial.url) as client:
            follow(client)
        threading.Event().wait(RETRY)


def _show(line: Json) -> None:
    time = str(line["time"]).partition("T")[2][:12].rstrip("Z")
    if "dropped" in line:
        text = f"{line['dropped']} lines were lost"
    else:
        level = SEVERITY.get(line["level"], str(line["level"]))
        text = f"{'' if level == 'info' else f'{level}: '}{line['text']}"
    sys.stdout.write(f"{time}  {text}\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Tell the person at the desk."""
    sys.stderr.write(f"-- {text}\n")
    sys.stderr.flush()


def _interrupted(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt
