"""Handles: what a guest holds open, by small numbers that no two modules share."""

from itertools import count
from typing import Generic, TypeVar

from edge.sandbox.errnos import Errno
from edge.sandbox.errors import CallError

HANDLES_LIMIT = 256
"""Open at once: a manifest names at most 64 grants and 64 streams."""

T = TypeVar("T")


class Handles(Generic[T]):
    """One module's open things; `numbers` is shared by all modules of the run."""

    def __init__(self, numbers: set[int]) -> None:
        self._numbers = numbers
        self._open: dict[int, T] = {}

    def __getitem__(self, handle: int) -> T:
        """What the handle stands for; CallError BADF when it is not this module's."""
        try:
            return self._open[handle]
        except KeyError:
            raise CallError(Errno.BADF) from None

    def add(self, thing: T) -> int:
        """The smallest free number, now standing for `thing`."""
        if len(self._numbers) >= HANDLES_LIMIT:
            raise CallError(Errno.MFILE)
        handle = next(number for number in count(1) if number not in self._numbers)
        self._numbers.add(handle)
        self._open[handle] = thing
        return handle

    def remove(self, handle: int) -> T:
        """Forget the handle; what it stood for, or BADF."""
        thing = self[handle]
        del self._open[handle]
        self._numbers.discard(handle)
        return thing

    def all(self) -> list[T]:
        """What is open."""
        return list(self._open.values())

    def items(self) -> list[tuple[int, T]]:
        """What is open, with its handle."""
        return list(self._open.items())
