"""The node's end of a link, by hand: a session over a socket, in real time."""

import os
import select
import socket
import time
from typing import Any

from firmware.link import session, smp
from firmware.link.session import Session

PATIENCE = 60.0


class NodeEnd:
    """Of one thread; a deadline ends what never comes."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        nonce = int.from_bytes(os.urandom(4)) or 1
        self._session = Session(nonce, {"id": "barn"}, self._now())
        self.reports: list[dict[str, Any]] = []
        """What was reported and not looked at yet, oldest first."""
        self.who: dict[str, Any] = {}
        """Of the device that was met last."""
        self.meetings = 0
        self._quiet_since = time.monotonic()

    def meet(self) -> None:
        """Return when the device has been met once more."""
        before = self.meetings
        while self.meetings == before:
            self._step("nobody is met")

    def ask(self, operation: int, command: int, group: int = 64, **content: Any) -> dict[str, Any]:
        """The answer to a request."""
        self._session.ask(operation, group, command, content, self._now())
        while True:
            for event in self._step("no answer"):
                if event[0] == session.ANSWERED:
                    return event[1]
                assert event[0] != session.FAILED, "the request was given up"
                assert event[0] != session.UP, "the device started anew meanwhile"

    def read(self, command: int, **content: Any) -> dict[str, Any]:
        return self.ask(smp.READ, command, **content)

    def write(self, command: int, **content: Any) -> dict[str, Any]:
        return self.ask(smp.WRITE, command, **content)

    def report(self, name: str) -> dict[str, Any]:
        """The next report of a property; earlier ones of others are dropped."""
        while True:
            while self.reports:
                found = self.reports.pop(0)
                if found.get("p") == name:
                    return found
            self._step(f"no report of {name}")

    def edges(self, pin: str) -> dict[str, Any]:
        """The next report of edges of a pin that is lent."""
        while True:
            while self.reports:
                found = self.reports.pop(0)
                if found.get("g") == pin:
                    return found
            self._step(f"no edge of {pin}")

    def overhear(self) -> None:
        """Take what came and say nothing. An emulated line that nobody reads stands still."""
        while select.select([self._line], [], [], 0)[0]:
            assert self._line.recv(4096), "the device is gone"

    def _step(self, what: str) -> list[tuple[Any, ...]]:
        now = self._now()
        self._session.tick(now)
        data = self._session.outgoing()
        if data:
            self._line.sendall(data)
        wait = max(1, min(1000, self._session.due() - now)) / 1000
        if select.select([self._line], [], [], wait)[0]:
            came = self._line.recv(4096)
            assert came, "the device is gone"
            self._session.receive(came, self._now())
        events, self._session.events = self._session.events, []
        for event in events:
            if event[0] == session.UP:
                self.meetings += 1
                self.who = event[1]
            elif event[0] == session.REPORTED:
                self.reports.append(event[1])
        if events:
            self._quiet_since = time.monotonic()
        elif time.monotonic() - self._quiet_since > PATIENCE:
            raise AssertionError(f"for {PATIENCE:g} s: {what}")
        return events

    def _now(self) -> int:
        return int(time.monotonic() * 1000)
