"""Finding what was waited for in what a console said, without doing any I/O.

However the bytes are cut on their way, the same calls find the same things: a text is found as
soon as its last byte is there, a line only when it has ended.
"""

import re

import msgspec

# A board that talks for ever must not eat the test's memory; twenty minutes at 115,200 baud.
HELD_LIMIT = 16 << 20


class Found(msgspec.Struct, frozen=True):
    """What was found: all that came before, the text itself, and a line pattern's groups."""

    before: str
    text: str
    groups: tuple[str, ...] = ()


class Console:
    """What came from the console and nobody has taken yet. One thread at a time."""

    def __init__(self, limit: int = HELD_LIMIT) -> None:
        """`limit`: bytes kept; past it the oldest go, counted in `lost`."""
        self._held = bytearray()
        self._limit = limit
        self.lost = 0

    def feed(self, data: bytes) -> None:
        """Take bytes as they come; a terminal's carriage returns are dropped."""
        self._held += data.replace(b"\r", b"")
        beyond = len(self._held) - self._limit
        if beyond > 0:
            del self._held[:beyond]
            self.lost += beyond

    def take_text(self, text: str) -> Found | None:
        """The first place where the console says `text`, with all up to it taken."""
        wanted = text.encode()
        at = self._held.find(wanted)
        if at < 0:
            return None
        return Found(self._take(at, at + len(wanted)), text)

    def take_line(self, pattern: re.Pattern[str]) -> Found | None:
        """The first ended line in which `pattern` is found, with all up to its end taken."""
        start = 0
        while (end := self._held.find(b"\n", start)) >= 0:
            line = self._held[start:end].decode(errors="replace")
            if match := pattern.search(line):
                groups = tuple(group or "" for group in match.groups())
                return Found(self._take(start, end + 1), line, groups)
            start = end + 1
        return None

    def peek(self) -> str:
        """All that nobody has taken yet."""
        return self._held.decode(errors="replace")

    def _take(self, before: int, end: int) -> str:
        said = self._held[:before].decode(errors="replace")
        del self._held[:end]
        return said
