"""What every opened piece of hardware has in common: an owner, a lock, a close that may repeat."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Self

from hal.errors import ClosedError


class Owned:
    """Base of lines, devices and ports. Any thread may call; calls are serialised."""

    def __init__(self, name: str, release: Callable[[], None]) -> None:
        """`release` gives the hardware back; it is called once, under the lock."""
        self.name = name
        self._release = release
        self._lock = threading.RLock()
        self._closed = False

    @contextmanager
    def _held(self) -> Generator[None, None, None]:
        """Holds the lock while the object is open; ClosedError afterwards."""
        with self._lock:
            if self._closed:
                raise ClosedError(f"{self.name} was closed")
            yield

    def close(self) -> None:
        """Release the hardware; may be called twice."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
