"""Real `skerry` processes for tests and the demo: started, talked to, killed."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from tests.support.credentials import headers, trusted

ROOT = Path(__file__).resolve().parents[2]
NO_KEYS = {"SKERRY_KEYS": "/nonexistent"}
"""Whoever runs the tests may have keys; no test uses them."""
NOTHING: Mapping[str, str] = MappingProxyType({})
DEADLINE = 60.0
"""Seconds a condition may take on a slow machine; a test that reaches it has failed. A disk that takes
in another test's image keeps a commit waiting for many of them."""


def skerry(
    *args: str,
    cloud: str | None = None,
    check: bool = True,
    said: str | None = None,
    keys: Path | None = None,
    more: Mapping[str, str] = NOTHING,
) -> subprocess.CompletedProcess[str]:
    """Run one verb to its end; it reads `said`, and signs with `keys`; `more`: of its environment."""
    environment = os.environ | NO_KEYS | more | ({"SKERRY_CLOUD": cloud} if cloud else {})
    if keys is not None:
        environment |= {"SKERRY_KEYS": str(keys)}
    done = subprocess.run(
        [sys.executable, str(ROOT / "skerry.py"), *args],
        capture_output=True,
        text=True,
        env=environment,
        input=said,
        timeout=360,
        check=False,
    )
    if check and done.returncode != 0:
        raise AssertionError(
            f"skerry {' '.join(args)} → {done.returncode}\n{done.stderr}{done.stdout}"
        )
    return done


def skerry_json(*args: str, cloud: str | None = None, more: Mapping[str, str] = NOTHING) -> Any:
    """Run one verb with `-o json`."""
    return json.loads(skerry(*args, "-o", "json", cloud=cloud, more=more).stdout)


def until(condition: Callable[[], Any], what: str, deadline: float = DEADLINE) -> Any:
    """The first true value of `condition`; asks again every 20 ms, for processes we cannot await."""
    end = time.monotonic() + deadline
    pause = threading.Event()
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"after {deadline:g} s still not: {what}")
        pause.wait(0.02)


class Process:
    """A long-running verb; its output is kept for a failing test's report."""

    python: tuple[str, ...] = (sys.executable,)

    def __init__(self, *args: str, more: Mapping[str, str] = NOTHING, typed: bool = False) -> None:
        """`typed`: it reads what `type` writes, instead of what we read."""
        self._process = subprocess.Popen(
            [*self.python, str(ROOT / "skerry.py"), *args],
            stdin=subprocess.PIPE if typed else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | NO_KEYS | more,
        )
        self.verb = args[0]
        self.lines: deque[str] = deque(maxlen=500)
        self._grown = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait_for_line(self, pattern: str, within: float = DEADLINE) -> re.Match[str]:
        """The first line that matches, past or future."""
        end = time.monotonic() + within
        with self._grown:
            while True:
                for line in self.lines:
                    if match := re.search(pattern, line):
                        return match
                if not self._reader.is_alive() or time.monotonic() > end:
                    raise AssertionError(f"no line {pattern!r} in:\n" + "\n".join(self.lines))
                self._grown.wait(0.2)

    def type(self, text: str) -> None:
        """Write to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def interrupt(self) -> None:
        """SIGINT, as Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def ended(self, within: float = DEADLINE) -> int:
        """Its exit code, once it has ended by itself."""
        return self._process.wait(within)

    def kill(self) -> None:
        """SIGKILL, as a power cut to this process alone."""
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self.alive:
            self._process.send_signal(number)
        code = self._process.wait(DEADLINE)
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._reader.join(DEADLINE)
        return code

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout:
            for line in self._process.stdout:
                with self._grown:
                    self.lines.append(line.rstrip("\n"))
                    self._grown.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        if self.alive or self._process.stdin is not None:
            self.terminate()
        if failed is not None:
            said = "\n  ".join([f"what `skerry {self.verb}` ({self.pid}) said last:", *self.lines])
            sys.stderr.write(said + "\n")


class Cloud(Process):
    """`skerry cloud` on a port that a restart keeps; without TLS unless `secure`."""

    def __init__(
        self,
        data: Path,
        port: int = 0,
        *,
        secure: bool = False,
        names: Sequence[str] = (),
        options: Sequence[str] = (),
        more: Mapping[str, str] = NOTHING,
    ) -> None:
        """`names`: further addresses of its certificate, as guests of an emulator see it."""
        trust = [part for name in names for part in ("--name", name)]
        trust += [] if secure else ["--insecure-loopback"]
        where = ("--listen", f"127.0.0.1:{port}", "--data", str(data))
        super().__init__("cloud", *where, *trust, *options, more=more)
        self.url = self.wait_for_line(r"listening at (https?://\S+),")[1]
        self.port = int(self.url.rsplit(":", 1)[1])


class Node:
    """An agent by what it answers to a person on its board, wherever that is."""

    name = "barn"
    deadline = DEADLINE
    """Seconds a condition may take."""

    def ask(self, verb: str, **fields: Any) -> list[dict[str, Any]]:
        """Answers to a verb of `skerry agent`."""
        raise NotImplementedError

    def status(self) -> dict[str, Any]:
        return self.ask("status")[0]

    def app(self, name: str) -> dict[str, Any] | None:
        return next((app for app in self.ask("apps") if app["name"] == name), None)

    def until_app(self, name: str, state: str) -> dict[str, Any]:
        """The app once it is in `state`."""

        def in_state() -> dict[str, Any] | None:
            app = self.app(name)
            return app if app and app["state"] == state else None

        return until(in_state, f"{name} on {self.name} is {state}", self.deadline)

    def until_drained(self) -> None:
        """Return once the cloud has acknowledged every reading of the outbox."""
        until(
            lambda: self.status()["outbox"]["entries"] == 0,
            f"{self.name} has sent its outbox",
            self.deadline,
        )


class Agent(Process, Node):
    """`skerry agent`, ready once its control socket answers."""

    def __init__(
        self,
        name: str,
        cloud: str,
        state: Path,
        *,
        board: Path | str = "sim",
        labels: Sequence[str] = (),
        token: str | None = None,
        trust: Sequence[str] = ("--allow-unsigned",),
        more: Mapping[str, str] = NOTHING,
    ) -> None:
        """`trust`: most tests are not about signatures, and say so."""
        options = [part for label in labels for part in ("--label", label)]
        options += ["--token", token] if token else []
        super().__init__(
            "agent",
            "--name",
            name,
            "--cloud",
            cloud,
            "--board",
            str(board),
            "--state",
            str(state),
            *options,
            *trust,
            more=more,
        )
        self.name = name
        self.state = state
        self.wait_for_line(r"agent \S+ starts as")
        until(self._answers, f"{name} answers at its control socket")

    def _answers(self) -> bool:
        from edge.errors import ControlError  # noqa: PLC0415

        try:
            return bool(self.ask("status"))
        except ControlError:
            return False

    def ask(self, verb: str, **fields: Any) -> list[dict[str, Any]]:
        """Answers of the control socket."""
        from edge.control import Request, call  # noqa: PLC0415 - the demo imports this module early

        return list(call(self.state / "control.sock", Request(verb=verb, **fields)))


def objects(cloud: Cloud, plural: str) -> list[dict[str, Any]]:
    """All objects of a kind; asked in this process, for those who ask again and again."""
    url = f"{cloud.url}/apis/skerry.dev/v1alpha1/{plural}"
    items: list[dict[str, Any]] = _asked(cloud, url)["items"]
    return items


def readings(cloud: Cloud, **which: str) -> list[dict[str, Any]]:
    """Every reading of a name, oldest first, page by page."""
    found: list[dict[str, Any]] = []
    query = urllib.parse.urlencode(which | {"order": "oldest", "limit": "10000"})
    page = ""
    while True:
        url = f"{cloud.url}/apis/telemetry.skerry.dev/v1alpha1/readings?{query}{page}"
        body = _asked(cloud, url)
        found += body["items"]
        token = body["metadata"].get("continue")
        if not token:
            return found
        page = "&continue=" + urllib.parse.quote(token)


def _asked(cloud: Cloud, url: str) -> Any:
    asked = urllib.request.Request(url, headers=headers(cloud.url))  # noqa: S310 - our own
    with urllib.request.urlopen(  # noqa: S310 - as above
        asked, timeout=DEADLINE, context=trusted(cloud.url)
    ) as answer:
        return json.load(answer)
