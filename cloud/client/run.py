"""`skerry app run`: an app on one node for as long as a person watches it; again at each save.

An app that ends stays so until the next save. Lines of the app go to standard output, what happens
to it to standard error.
"""

import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cloud.client.api import Client, Json
from cloud.client.built import Built, load
from cloud.client.errors import ClientError, InputError
from cloud.client.readings import SEVERITY
from cloud.client.registry import digest_of
from cloud.client.saving import Sources
from cloud.client.trial import Trial, degraded, say
from cloud.clock import utc_now
from cloud.controllers.summary import THRESHOLD_REACHED
from edge.wire.messages import DesiredApp, Files, Module

FOLLOWED = frozenset({THRESHOLD_REACHED, "NodesFailed"})
"""Reasons of an App that the state of its instance tells better."""

Build = Callable[[Path, Callable[[str], None]], str]
"""Builds a project; what is wrong with it, nothing when it is built."""


def run(args: Namespace) -> None:
    """Build, push, deploy to one node, show what it says; with --watch again at each save."""
    directory: Path = args.directory
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    shown = _Shown()
    with Client(args.cloud) as client:
        trial = Trial(client, args, shown)
        trial.check()
        try:
            _play(trial, shown, args, Sources(directory))
        finally:
            trial.leave(keep=args.keep, hint="; --keep leaves it")


def _play(trial: Trial, shown: "_Shown", args: Namespace, sources: Sources) -> None:
    saved = sources.newest()
    while True:
        try:
            _again(trial, shown, args, saved)
        except ClientError as error:
            if not args.watch:
                raise
            say(str(error))
        if not args.watch:
            threading.Event().wait()
        saved = sources.wait_for_change()


def _again(trial: Trial, shown: "_Shown", args: Namespace, saved: float) -> None:
    """Bring what was saved at `saved` (seconds since 1970) to the node; raises ClientError."""
    problem = args.build(args.directory, say)
    if problem:
        raise InputError(problem)
    built = load(args.directory)
    if not trial.name:
        trial.take(args.name or built.manifest.name, again=True)
    shown.expect(_code_digest(built), saved)
    if trial.bring(built):
        say(f"{len(built.files) or len(built.module)} bytes for {args.on}")
    else:
        say("nothing has changed")


class _Shown:
    """What shall run, and what was told of it; any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._digest = ""
        self._saved = 0.0
        self._told = ""
        self._wrong = ""

    def expect(self, digest: str, saved: float) -> None:
        """From now on this; it was saved then."""
        with self._lock:
            self._digest, self._saved, self._told = digest, saved, ""

    def line(self, line: Json) -> None:
        """Show it with its time."""
        time = str(line["time"]).partition("T")[2][:12].rstrip("Z")
        if "dropped" in line:
            text = f"{line['dropped']} lines were lost"
        else:
            level = SEVERITY.get(line["level"], str(line["level"]))
            text = f"{'' if level == 'info' else f'{level}: '}{line['text']}"
        sys.stdout.write(f"{time}  {text}\n")
        sys.stdout.flush()

    def app(self, app: Json) -> None:
        """Say what keeps it from a node, once."""
        reason, message = degraded(app)
        text = f"{reason}: {message}"
        if reason and reason not in FOLLOWED and text != self._wrong:
            self._wrong = text
            say(text)

    def instance(self, instance: Json) -> None:
        """Say what a person wants to hear of this status, once."""
        status = instance.get("status", {})
        current = status.get("observedGeneration") == instance["metadata"]["generation"]
        with self._lock:
            failed = current and status.get("state") == "Failed"
            if not current or not (status.get("digest") == self._digest or failed):
                return
            text = _story(status, utc_now().timestamp() - self._saved)
            kind = text.partition(" ")[0]
            if kind in {"", self._told}:
                return
            self._told = kind
        say(text)


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


def _interrupted(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt
