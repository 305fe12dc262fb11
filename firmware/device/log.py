"""The last lines of a device, for a node that asks what went before."""

LINES = 64
LINE_LIMIT = 120
"""Characters."""


class Log:
    """A ring. Lines are numbered from 0 at the start of the device."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, str]] = []
        self.next = 0
        """Number of the next line."""

    def add(self, at_ms: int, text: str) -> None:
        """Keep a line; the oldest gives way."""
        if len(self._lines) == LINES:
            self._lines.pop(0)
        self._lines.append((at_ms, text[:LINE_LIMIT]))
        self.next += 1

    def since(self, number: int, count: int) -> list[list[object]]:
        """At most `count` lines from `number` on, each as [number, milliseconds, text]."""
        first = self.next - len(self._lines)
        begin = max(number, first) - first
        return [
            [first + begin + at, line[0], line[1]]
            for at, line in enumerate(self._lines[begin : begin + count])
        ]
