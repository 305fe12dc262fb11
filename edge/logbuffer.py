"""Log lines in RAM: a bounded ring, read by the uplink and by the control socket.

Nothing is written to the card. When full, the oldest line goes, acknowledged or not; what the
cloud has not seen by then is counted, so that a gap is visible.
"""

import logging
import sys
from collections import deque
from collections.abc import Callable
from threading import Lock

from edge.wire import limits
from edge.wire.messages import LogLine
from hal import clock

LINES_LIMIT = 4096
BYTES_LIMIT = 512 << 10
"""Together about 1 MiB with Python's overhead: a day of a quiet app, minutes of a noisy one."""
AGENT = ""
"""Name under which the agent itself logs."""


class LogBuffer:
    """Any thread may call."""

    def __init__(self, lines_limit: int = LINES_LIMIT, bytes_limit: int = BYTES_LIMIT) -> None:
        self._lines: deque[LogLine] = deque()
        self._bytes = 0
        self._lines_limit = lines_limit
        self._bytes_limit = bytes_limit
        self._seq = 0
        self._acked = 0
        self._dropped = 0
        self._lock = Lock()
        self._listeners: list[Callable[[], None]] = []

    def add(self, app: str, level: int, text: str, time_ns: int) -> None:
        """Append a line; longer than the wire allows, it is cut."""
        text = text[: limits.LOG_LINE_LIMIT]
        with self._lock:
            self._seq += 1
            self._lines.append(
                LogLine(seq=self._seq, app=app, level=level, time_ns=time_ns, text=text)
            )
            self._bytes += len(text)
            while len(self._lines) > self._lines_limit or self._bytes > self._bytes_limit:
                oldest = self._lines.popleft()
                self._bytes -= len(oldest.text)
                self._dropped += oldest.seq > self._acked
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def read(self, limit: int = limits.LOG_BATCH_LIMIT) -> tuple[list[LogLine], int]:
        """The oldest lines not acknowledged, and how many were lost before them."""
        with self._lock:
            found: list[LogLine] = []
            size = 0
            for line in self._lines:
                if line.seq <= self._acked:
                    continue
                size += len(line.text) * 4
                if len(found) == limit or (found and size > limits.FRAME_LIMIT // 2):
                    break
                found.append(line)
            return found, self._dropped

    def ack(self, seq: int, dropped: int = 0) -> None:
        """The cloud has stored lines up to `seq` and knows of `dropped` lost ones."""
        with self._lock:
            self._acked = max(self._acked, min(seq, self._seq))
            self._dropped = max(0, self._dropped - dropped)

    def tail(self, app: str | None, count: int, after: int = 0) -> list[LogLine]:
        """The newest `count` lines of `app` (None: everybody's) with seq > `after`, oldest first."""
        with self._lock:
            found: list[LogLine] = []
            for line in reversed(self._lines):
                if line.seq <= after or len(found) == count:
                    break
                if app is None or line.app == app:
                    found.append(line)
        return found[::-1]

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each new line, in the thread that logged; returns its end."""
        with self._lock:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners.remove(listener)

        return unsubscribe


class _Collector(logging.Handler):
    """Puts the agent's own records into the buffer, and on stderr for whoever started it."""

    def __init__(self, buffer: LogBuffer) -> None:
        super().__init__(logging.INFO)
        self._buffer = buffer

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        text = self.format(record)
        self._buffer.add(AGENT, _SEVERITY.get(record.levelno, 6), text, clock.wall_ns())
        sys.stderr.write(f"skerry agent: {text}\n")


_SEVERITY = {logging.ERROR: 3, logging.CRITICAL: 3, logging.WARNING: 4}


def collect(buffer: LogBuffer) -> None:
    """From now on the agent's own log goes into `buffer`, with that of its hardware."""
    for name in ("edge", "hal"):
        root = logging.getLogger(name)
        root.handlers[:] = [_Collector(buffer)]
        root.setLevel(logging.INFO)
        root.propagate = False
