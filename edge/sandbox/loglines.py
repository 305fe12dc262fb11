"""Lines of an app on their way to the log: bounded in length and rate, harmless to a terminal."""

from edge.sandbox.rate import TokenBucket
from edge.sandbox.services import HostServices
from edge.wire.limits import LOG_LINE_LIMIT
from hal import clock

WARNING = 4
INFO = 6
_TAB = 9
_CONTROLS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if code != _TAB}
"""Control characters could redraw the terminal of whoever reads the log."""


class LogSink:
    """Where all lines of one run go. The guest's thread only, but for reading `dropped`."""

    def __init__(self, services: HostServices, rate: float) -> None:
        self._services = services
        self._bucket = TokenBucket(rate, clock.monotonic())
        self.dropped = 0

    def line(self, level: int, data: bytes) -> bool:
        """Log one line, cut at LOG_LINE_LIMIT bytes; False when over the rate."""
        if not self._bucket.take(1, clock.monotonic()):
            self.dropped += 1
            return False
        text = data[:LOG_LINE_LIMIT].decode(errors="replace")
        self._services.log(level, text.translate(_CONTROLS))
        return True


class LineBuffer:
    """Cuts a stream of bytes (stdout, stderr) into lines."""

    def __init__(self, sink: LogSink, level: int) -> None:
        self._sink = sink
        self._level = level
        self._rest = b""

    def write(self, data: bytes) -> None:
        """Take bytes; whole lines go to the log, and what grows too long goes in pieces."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._sink.line(self._level, line.rstrip(b"\r"))
        if len(self._rest) >= LOG_LINE_LIMIT:
            self._sink.line(self._level, self._rest)
            self._rest = b""

    def flush(self) -> None:
        """Log an unfinished line: the app has ended."""
        if self._rest:
            self._sink.line(self._level, self._rest)
            self._rest = b""
