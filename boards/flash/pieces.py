"""The pieces that an image is read and written in, and what every source of them can do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from boards.flash.plan import CHUNK

ZEROS = bytes(CHUNK)


@dataclass(frozen=True, slots=True)
class Piece:
    """The next bytes of an image; `data` is None when all of them are zero."""

    start: int
    length: int
    data: bytes | None

    @property
    def end(self) -> int:
        """First byte behind it."""
        return self.start + self.length


class Source(Protocol):
    """An image to be read once, in order. Not for several threads."""

    name: str
    """As the person gave it."""
    size: int | None
    """Bytes unpacked, when it is known beforehand."""
    total: int | None
    """Bytes that `passed` grows to, when known."""

    @property
    def passed(self) -> int:
        """How far reading is, for a progress bar."""
        ...

    def read(self, start: int, length: int) -> bytes:
        """Exactly these bytes, asked for before `pieces`; raises ImageError.

        Raises OutOfReachError for what lies so far inside a stream that it cannot be kept.
        """
        ...

    def pieces(self) -> Iterator[Piece]:
        """Everything to write, in order; raises ImageError. When it ends, all digests were right."""
        ...

    def close(self) -> None:
        """Idempotent."""
        ...
