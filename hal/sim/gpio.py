"""Simulated GPIO: a pin has an outside world that may drive it and at most one owner.

The electrical level is the owner's when it drives, else the outside's, else the pull's.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence

from hal import clock
from hal.errors import PinDirectionError
from hal.gpio import EDGE_QUEUE_LIMIT, Direction, Edge, EdgeEvent, LineConfig, Pull
from hal.owned import Owned


class Pin:
    """One pin of the board. The board's lock is held."""

    def __init__(self, name: str, *, level: bool | None) -> None:
        """`level` is what the outside drives; None leaves it to the pull."""
        self.name = name
        self.outside = level
        self.owner: SimLine | None = None

    @property
    def level(self) -> bool:
        """Electrical level; an undriven pin without a pull reads low."""
        if self.owner is not None:
            if self.owner.driven is not None:
                return self.owner.driven
            if self.outside is None:
                return self.owner.config.pull is Pull.UP
        return bool(self.outside)

    def drive(self, *, level: bool | None) -> None:
        """Change what the outside drives; the owner sees an edge."""
        before = self.level
        self.outside = level
        if self.owner is not None and self.level is not before:
            self.owner.electrical_edge(rising=self.level)


class SimLine(Owned):
    """A requested pin. Any thread may call; calls are serialised."""

    def __init__(
        self,
        pin: Pin,
        config: LineConfig,
        lock: threading.RLock,
        changed: Callable[[str], None],
    ) -> None:
        """Take the pin; `changed` is called with its name when its owner changes it."""
        self.config = config
        self.driven: bool | None = None
        self._pin = pin
        self._changed = changed
        self._edges: deque[EdgeEvent] = deque()
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        super().__init__(pin.name, self._free)
        self._lock = lock
        if config.direction is Direction.OUTPUT:
            self.driven = config.initial is not config.active_low
        pin.owner = self

    def read(self) -> bool:
        """Level of the line now."""
        with self._held():
            return self._pin.level is not self.config.active_low

    def write(self, *, value: bool) -> None:
        """Drive the line; raises PinDirectionError on an input."""
        with self._held():
            if self.config.direction is Direction.INPUT:
                raise PinDirectionError(f"{self.name} is an input")
            self.driven = value is not self.config.active_low
            self._changed(self.name)

    def fileno(self) -> int:
        """Readable while edges wait."""
        with self._held():
            return self._event

    def read_edges(self) -> Sequence[EdgeEvent]:
        """Edges since the last call, oldest first; never blocks."""
        with self._held():
            found = list(self._edges)
            self._edges.clear()
            if found:
                os.eventfd_read(self._event)
            return found

    def electrical_edge(self, *, rising: bool) -> None:
        """Queue an edge when this line watches for it; the board's lock is held."""
        rising = rising is not self.config.active_low
        wanted = Edge.RISING if rising else Edge.FALLING
        if self.config.edge not in (wanted, Edge.BOTH):
            return
        if len(self._edges) == EDGE_QUEUE_LIMIT:
            self._drop_oldest()
        if not self._edges:
            os.eventfd_write(self._event, 1)
        self._edges.append(EdgeEvent(rising, clock.monotonic_ns()))

    def _drop_oldest(self) -> None:
        """The loss is told by the edge that follows it."""
        dropped = self._edges.popleft()
        first = self._edges.popleft()
        self._edges.appendleft(EdgeEvent(first.rising, first.time_ns, dropped.lost + 1))

    def _free(self) -> None:
        self._pin.owner = None
        os.close(self._event)
        self._changed(self.name)
