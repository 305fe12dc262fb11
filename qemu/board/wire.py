"""The board's two live ends: its console, drained by a thread of its own, and QEMU's monitor."""

import contextlib
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from qemu.board.console import Console, Found
from qemu.board.errors import BootError, DeadlineError, MonitorError
from qemu.board.qmp import Answer, Event, Stream, command

_CHUNK = 1 << 16
# A test looks at what just happened; a machine that resets for ever must not fill the memory.
EVENTS_HELD = 1000
# The monitor answers at once, unless the host has no time to run QEMU.
ANSWER_S = 30
# What the error of a missed deadline shows of the console.
_SHOWN = 1500


class ConsoleWire:
    """A console over a socket. Any thread may call; a guest is never held up by a slow test."""

    def __init__(self, end: socket.socket) -> None:
        """Owns `end` from now on."""
        self._end = end
        self._console = Console()
        self._changed = threading.Condition()
        self._closed = False
        self._reader = threading.Thread(target=self._drain, name="board console", daemon=True)
        self._reader.start()

    def send(self, text: str) -> None:
        """Type `text` as it is; a line wants its own newline."""
        try:
            self._end.sendall(text.encode())
        except OSError as fault:
            raise BootError("the board is off: nothing takes what is typed") from fault

    def expect(self, text: str, within: float) -> Found:
        """Wait until the console says `text`; raises DeadlineError, or BootError when it ends."""
        return self._wait(lambda: self._console.take_text(text), repr(text), within)

    def expect_line(self, pattern: re.Pattern[str], within: float) -> Found:
        """Wait for an ended line with `pattern` in it; raises as `expect`."""
        wanted = f"a line with /{pattern.pattern}/"
        return self._wait(lambda: self._console.take_line(pattern), wanted, within)

    def close(self) -> None:
        """Let go of the console; idempotent."""
        with contextlib.suppress(OSError):  # the other end went first
            self._end.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._end.close()

    def _wait(self, take: Callable[[], Found | None], wanted: str, within: float) -> Found:
        deadline = time.monotonic() + within
        with self._changed:
            while True:
                if found := take():
                    return found
                last = self._console.peek()[-_SHOWN:]
                if self._closed:
                    raise BootError(f"the board ended before it said {wanted}; it said\n{last}")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise DeadlineError(f"no {wanted} within {within:g} s; it said\n{last}")
                self._changed.wait(left)

    def _drain(self) -> None:
        while True:
            try:
                data = self._end.recv(_CHUNK)
            except OSError:
                data = b""
            with self._changed:
                if data:
                    self._console.feed(data)
                self._closed = not data
                self._changed.notify_all()
            if not data:
                return


class Monitor:
    """QEMU's monitor over a socket. One thread at a time."""

    def __init__(self, end: socket.socket) -> None:
        """Owns `end` from now on; opens the conversation."""
        self._end = end
        self._stream = Stream()
        self._answers: deque[Answer] = deque()
        self._events: deque[Event] = deque(maxlen=EVENTS_HELD)
        self.execute("qmp_capabilities")

    def execute(self, name: str, /, **arguments: Any) -> Any:
        """A command's result; an argument's `_` stands for QMP's `-`. Raises MonitorError."""
        given = {key.replace("_", "-"): value for key, value in arguments.items()}
        try:
            self._end.sendall(command(name, given))
        except OSError as fault:
            raise MonitorError(f"{name}: QEMU is gone") from fault
        deadline = time.monotonic() + ANSWER_S
        while not self._answers:
            self._read(deadline, name)
        answer = self._answers.popleft()
        if answer.refusal is not None:
            raise MonitorError(f"{name}: {answer.refusal}")
        return answer.value

    def wait_event(self, name: str, within: float) -> Event:
        """The first event of that name that nobody has taken; older others stay.

        Raises DeadlineError with the names of those that came.
        """
        deadline = time.monotonic() + within
        while True:
            for event in self._events:
                if event.name == name:
                    self._events.remove(event)
                    return event
            try:
                self._read(deadline, name)
            except TimeoutError as fault:
                came = ", ".join(event.name for event in self._events) or "none"
                raise DeadlineError(f"no {name} within {within:g} s; events: {came}") from fault

    def close(self) -> None:
        """Let go of the monitor; idempotent."""
        self._end.close()

    def _read(self, deadline: float, waiting_for: str) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise DeadlineError(f"QEMU's monitor is silent: {waiting_for}")
        self._end.settimeout(left)
        try:
            data = self._end.recv(_CHUNK)
        except TimeoutError as fault:
            raise DeadlineError(f"QEMU's monitor is silent: {waiting_for}") from fault
        except OSError as fault:
            raise MonitorError(f"{waiting_for}: QEMU is gone") from fault
        if not data:
            raise MonitorError(f"{waiting_for}: QEMU ended")
        for message in self._stream.feed(data):
            if isinstance(message, Event):
                self._events.append(message)
            else:
                self._answers.append(message)
