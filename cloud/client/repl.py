"""`skerry app repl`: Python at a prompt, in the sandbox of a node, with what was granted.

A REPL is a trial whose `main.py` is ours (wasm_apps/repl). A line goes out as a twin value, which
restarts nothing and is in the audit log like every change of an App; what it prints comes back as
lines of the log. Rules: one line is on its way at a time; nothing is sent before the guest said that
it is ready; what is lost is said to be lost.
"""

import json
import queue
import re
import secrets
import signal
import sys
import threading
import time
from argparse import Namespace
from typing import Any, Literal

from cloud.client.api import NOT_FOUND, Client, Json
from cloud.client.built import Built
from cloud.client.errors import ClientError, RefusedError, UnreachableError
from cloud.client.prompt import Prompt, reader
from cloud.client.replapp import NAME_LIMIT, repl_app
from cloud.client.trial import RETRY, TRIAL, Trial, degraded, say
from cloud.controllers.summary import THRESHOLD_REACHED
from cloud.kinds.app import REPL

SETTLE = 86_400
"""Seconds, as of every trial; one less for each restart, as that is another version to the cloud."""
BACKOFF = 0.5
"""Seconds between an end and the next start, in which its cause reaches the cloud."""
LOOK = 2.0
"""Seconds of silence after which we look whether cloud and node are there."""
GRACE = 2.0
"""Seconds without a line after which the end of one that is known to be done is no longer expected."""
EXPLAINED = 1.0
"""Seconds that a fresh start waits for word of why the one before has ended."""
MANY = 100
"""Lines of one input after which its losses are waited for: below, there cannot be any."""
HEARD_LIMIT = 10_000
"""Events that wait to be shown; then the streams wait."""
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_NEEDED = ("artifacts", "apps", "repls")
_ELSEWHERE = frozenset({THRESHOLD_REACHED, "NodesFailed"})
_QUIET = frozenset({"Pending", "Fetching", "Compiling", "Running", "Held"})
_MARKER = re.compile(r"\[repl (?P<id>[0-9a-f]{8}\.\d+) (?P<word>ready|done)\]$")

Event = tuple[Literal["line", "app", "instance"], Json]


def repl(args: Namespace) -> None:
    """Open a REPL on a node and serve it until the end of what is typed; then remove it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ended)
    with Client(args.cloud) as client:
        check_allowed(client)
        heard = Heard()
        first = f"{secrets.token_hex(4)}.0"
        restart = {**TRIAL["restart"], "backoff": BACKOFF, "backoff_max": BACKOFF}
        spec = {**TRIAL, "restart": restart, "twin": {REPL: f"{first}:"}}
        trial = Trial(client, args, heard, spec)
        trial.check()
        built = repl_app(args)
        trial.take(args.name or _name(built, args.on), again=False)
        try:
            _Session(trial, heard, args.on, first).play(built)
        finally:
            trial.leave(keep=False)


def check_allowed(client: Client) -> None:
    """Raise ClientError, before anything is made, for who may not open a REPL."""
    refused: list[str] = []
    for kind in _NEEDED:
        asked = {"verb": "create", "resource": kind, "namespace": "default"}
        content = json.dumps({"spec": {"resourceAttributes": asked}})
        if not client.json("POST", REVIEW, content=content)["status"]["allowed"]:
            refused.append(kind)
    if refused:
        raise ClientError(
            f"you may not open a REPL: your roles do not allow to create {', '.join(refused)}; "
            "an administrator can bind you the roles `operator` and `repl`"
        )


class Heard:
    """What a trial tells, in one queue."""

    def __init__(self) -> None:
        self._events: queue.Queue[Event] = queue.Queue(HEARD_LIMIT)

    def line(self, line: Json) -> None:
        """As Listener says."""
        self._events.put(("line", line))

    def app(self, app: Json) -> None:
        """As Listener says."""
        self._events.put(("app", app))

    def instance(self, instance: Json) -> None:
        """As Listener says."""
        self._events.put(("instance", instance))

    def next(self, timeout: float) -> Event | None:
        """The oldest; None when there is none within `timeout` seconds."""
        try:
            return self._events.get(timeout=timeout) if timeout else self._events.get_nowait()
        except queue.Empty:
            return None


class _Session:
    """One person, one guest. Belongs to one thread."""

    def __init__(self, trial: Trial, heard: Heard, node: str, first: str) -> None:
        self._trial = trial
        self._heard = heard
        self._node = node
        self._session = first.partition(".")[0]
        self._number = 0
        self._restarts = 0
        self._told: tuple[int, str] = (0, "")
        """The end that was told last: how many starts came before it, and its state."""
        self._explained = True
        """Whether the end before the next fresh start was told."""
        self._reported = ""
        self._lost = 0
        self._lines = 0
        self._cloud_there = True
        self._node_there = True

    def play(self, built: Built) -> None:
        """Start the guest, then execute what is typed until its end."""
        say(f"starting on {self._node}; exit() or Ctrl-D ends it")
        self._trial.bring(built)
        self._until("ready")
        prompt = Prompt(reader(), print)
        while True:
            self._drain()
            try:
                source = prompt.read()
            except EOFError:
                return
            try:
                self._execute(source)
            except KeyboardInterrupt:
                self._restart()

    @property
    def _id(self) -> str:
        return f"{self._session}.{self._number}"

    def _execute(self, source: str) -> None:
        self._number += 1
        self._lines = 0
        self._explained = False
        try:
            self._send({"twin": {REPL: f"{self._id}:{source}"}})
        except RefusedError as error:
            if error.code == NOT_FOUND:
                raise self._gone() from error
            say(f"not sent: {error}")
            return
        self._until("done")
        if self._lines > MANY:
            self._wait(lambda: self._reported == self._id, EXPLAINED)

    def _restart(self) -> None:
        """End what runs, by what is another version to the cloud; Ctrl-C once more leaves."""
        self._restarts += 1
        say("interrupted: starting afresh, what was defined is gone; Ctrl-C once more ends it all")
        self._send({"restart": {"settle": SETTLE - self._restarts}})
        self._until("ready")

    def _send(self, spec: Json) -> None:
        while True:
            try:
                self._trial.change(spec)
            except UnreachableError:
                self._cloud(there=False)
                threading.Event().wait(RETRY)
            else:
                self._cloud(there=True)
                return

    # --- what comes back -------------------------------------------------------------------------

    def _until(self, wanted: str) -> None:
        """Show what comes until the guest waits for a line; `done` is also a start after ours."""
        last = time.monotonic()
        while True:
            event = self._heard.next(LOOK)
            if event is not None:
                last = time.monotonic()
                marker = self._take(event)
                if marker == (self._id, wanted):
                    return
                if marker is not None and marker[1] == "ready" and wanted == "done":
                    self._wait(lambda: self._explained, EXPLAINED)
                    say("a fresh interpreter: what was defined is gone")
                    if marker[0] == self._id:
                        return
                continue
            if (
                wanted == "done"
                and self._reported == self._id
                and time.monotonic() - last >= GRACE
            ):
                say("it is done, and the end of what it printed was lost")
                return
            self._look_around()

    def _drain(self) -> None:
        """Show what came while nobody waited for it."""
        while (event := self._heard.next(0)) is not None:
            marker = self._take(event)
            if marker is not None and marker[1] == "ready":
                say("a fresh interpreter: what was defined is gone")

    def _wait(self, condition: Any, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not condition() and (left := end - time.monotonic()) > 0:
            event = self._heard.next(left)
            if event is not None:
                self._take(event)

    def _take(self, event: Event) -> tuple[str, str] | None:
        """Show it; the marker that it was or ended with. Raises ClientError when there is no way on."""
        kind, what = event
        self._cloud(there=True)
        if kind == "line":
            self._node_is(there=True)
            return self._line(what)
        if kind == "app":
            reason, message = degraded(what)
            if reason and reason not in _ELSEWHERE:
                raise ClientError(f"{reason}: {message}")
        else:
            self._instance(what.get("status", {}))
        return None

    def _line(self, line: Json) -> tuple[str, str] | None:
        if "dropped" in line:
            say(f"{line['dropped']} lines were lost on {self._node}")
            return None
        self._lines += 1
        text, marker = split_marker(line["text"], self._session)
        if text or marker is None:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
        return marker

    def _instance(self, status: Json) -> None:
        state = status.get("state", "Pending")
        self._reported = status.get("twin", {}).get(REPL, self._reported)
        lost = status.get("droppedLines", 0)
        if lost > self._lost:
            say(f"{lost - self._lost} lines were lost: more than an app may log")
        self._lost = lost
        end = (status.get("restarts", 0), state)
        if state in _QUIET or end == self._told:
            return
        self._told, self._explained = end, True
        message = str(status.get("message", "")).partition("; next start")[0]
        if state == "Failed":
            raise ClientError(f"{self._node}: {message}")
        if state == "Exited":
            raise SystemExit(status.get("exitCode") or 0)
        say(f"{state}: {message}")

    # --- who is there ----------------------------------------------------------------------------

    def _look_around(self) -> None:
        try:
            self._trial.client.get("apps", self._trial.name)
            there = self._trial.connected()
        except UnreachableError:
            self._cloud(there=False)
            return
        except RefusedError as error:
            if error.code == NOT_FOUND:
                raise self._gone() from error
            raise
        self._cloud(there=True)
        self._node_is(there=there)

    def _node_is(self, *, there: bool) -> None:
        if there is not self._node_there:
            self._node_there = there
            say(f"{self._node} is {'back' if there else 'not connected; waiting for it'}")

    def _cloud(self, *, there: bool) -> None:
        if there is not self._cloud_there:
            self._cloud_there = there
            say("the cloud is back" if there else "the cloud does not answer; waiting for it")

    def _gone(self) -> ClientError:
        return ClientError(f"app/{self._trial.name} was removed by somebody else")


def split_marker(text: str, session: str) -> tuple[str, tuple[str, str] | None]:
    """What a line says, and the marker of this session that ends it: its ID and word."""
    found = _MARKER.search(text)
    if found is None or found["id"].partition(".")[0] != session:
        return text, None
    return text[: found.start()], (found["id"], found["word"])


def _name(built: Built, node: str) -> str:
    return f"{built.manifest.name}-{node}"[:NAME_LIMIT].rstrip("-")


def _ended(number: int, _frame: Any) -> None:
    raise SystemExit(128 + number)
