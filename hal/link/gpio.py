"""A GPIO line of an attached microcontroller.

What its owner wants of it is known here, so that it is so again when the device comes back: an
output then drives what was last written, even if writing it failed meanwhile.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence

from firmware.link.smp import READ, WRITE
from hal.errors import PinDirectionError
from hal.gpio import EDGE_QUEUE_LIMIT, Direction, EdgeEvent, LineConfig
from hal.link.answers import GROUP, PIN, checked
from hal.link.link import Link
from hal.owned import Owned


class McuLine(Owned):
    """One line. Any thread may call; calls are serialised. Edges come by the link's thread."""

    def __init__(
        self, name: str, pin: str, config: LineConfig, link: Link, released: Callable[[], None]
    ) -> None:
        """Opens nothing yet: the board asks for what `wish` says."""
        super().__init__(name, self._free)
        self._pin = pin
        self._config = config
        self._link = link
        self._released = released
        self._level = config.initial
        self._edges: deque[EdgeEvent] = deque()
        self._lost = 0
        self._edge_lock = threading.Lock()
        self._latest_ns = 0
        self._waiting = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def wish(self) -> dict[str, object]:
        """What to ask the device for: the content of OPEN."""
        config = self._config
        return {
            "p": self._pin,
            "out": config.direction is Direction.OUTPUT,
            "pull": config.pull.value,
            "edge": config.edge.value,
            "low": config.active_low,
            "v": self._level,
            "safe": config.initial,
        }

    def read(self) -> bool:
        """Level of the line now."""
        with self._held():
            answer = self._link.request(READ, GROUP, PIN, {"p": self._pin})
            return checked(self.name, answer).get("v") == 1

    def write(self, *, value: bool) -> None:
        """Drive the line; raises PinDirectionError on an input."""
        with self._held():
            if self._config.direction is Direction.INPUT:
                raise PinDirectionError(f"{self.name} is an input")
            self._level = value
            answer = self._link.request(WRITE, GROUP, PIN, {"p": self._pin, "v": value})
            checked(self.name, answer)

    def fileno(self) -> int:
        """Readable while edges wait."""
        with self._held():
            return self._waiting

    def read_edges(self) -> Sequence[EdgeEvent]:
        """Edges since the last call, oldest first; never blocks."""
        with self._held(), self._edge_lock:
            found = list(self._edges)
            self._edges.clear()
            if found:
                os.eventfd_read(self._waiting)
            return found

    def happened(self, edges: Sequence[tuple[int, bool]], lost: int) -> None:
        """Edges by CLOCK_MONOTONIC, and how many got lost before them; the link's thread."""
        with self._edge_lock:
            if self._closed:
                return
            self._lost += lost
            for time_ns, rising in edges:
                # A better guess of the device's clock must not turn time back for the owner.
                self._latest_ns = max(self._latest_ns, time_ns)
                self._add(rising=rising)

    def _add(self, *, rising: bool) -> None:
        if not self._edges:
            os.eventfd_write(self._waiting, 1)
        if len(self._edges) == EDGE_QUEUE_LIMIT:
            dropped = self._edges.popleft()
            oldest = self._edges.popleft()
            lost = oldest.lost + dropped.lost + 1
            self._edges.appendleft(EdgeEvent(oldest.rising, oldest.time_ns, lost))
        self._edges.append(EdgeEvent(rising, self._latest_ns, self._lost))
        self._lost = 0

    def _free(self) -> None:
        self._released()
        with self._edge_lock:
            os.close(self._waiting)
