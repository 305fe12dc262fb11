"""What `skerry_event.wait` can return, and how one source is kept from starving the others."""

import select
import struct
from collections import deque
from dataclasses import dataclass
from enum import IntEnum

from hal import clock
from hal.errors import HalError
from hal.gpio import Line
from hal.serial import SerialPort

QUEUE_LIMIT = 256
"""Edges that wait for the app: a bouncing contact gives tens, and 8 KiB bounds their memory."""

_LAYOUT = struct.Struct("<IiqqQ")
SIZE = _LAYOUT.size

_EDGES = 0
"""Turn of the edge queue; handles begin at 1."""
_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


class EventType(IntEnum):
    """First word of an event."""

    STOP = 1
    TWIN = 2
    GPIO_EDGE = 3
    SERIAL_READABLE = 4
    SERIAL_CLOSED = 5


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    type: EventType
    time_ns: int
    handle: int = 0
    value: int = 0

    def encode(self) -> bytes:
        """The 32 bytes of the guest ABI."""
        return _LAYOUT.pack(self.type, self.handle, self.time_ns, self.value, 0)


class HardwareEvents:
    """Edges and serial readiness of one run, by the descriptors of what is open.

    Edges are one source, each serial port another; they take turns. The guest's thread only.
    """

    def __init__(self, poller: select.poll) -> None:
        self._poller = poller
        self._lines: dict[int, tuple[int, Line]] = {}
        self._ports: dict[int, int] = {}
        self._edges: deque[Event] = deque(maxlen=QUEUE_LIMIT)
        self._closed: deque[Event] = deque()
        self._turns: deque[int] = deque([_EDGES])
        self._readable: set[int] = set()
        self.lost = 0
        """Edges dropped since this was last reset."""

    def watch_line(self, handle: int, line: Line) -> None:
        """Report the edges of an open line."""
        descriptor = line.fileno()
        self._lines[descriptor] = (handle, line)
        self._poller.register(descriptor, select.POLLIN)

    def watch_port(self, handle: int, port: SerialPort) -> None:
        """Report when an open port has bytes."""
        descriptor = port.fileno()
        self._ports[descriptor] = handle
        self._turns.append(handle)
        self._poller.register(descriptor, select.POLLIN)

    def forget(self, handle: int) -> None:
        """The handle was closed: report nothing of it any more, not even what waits."""
        for descriptor, (owner, _) in list(self._lines.items()):
            if owner == handle:
                del self._lines[descriptor]
                self._poller.unregister(descriptor)
        for descriptor, owner in list(self._ports.items()):
            if owner == handle:
                del self._ports[descriptor]
                self._poller.unregister(descriptor)
        for queue in (self._edges, self._closed):
            kept = [event for event in queue if event.handle != handle]
            queue.clear()
            queue.extend(kept)
        if handle in self._turns:
            self._turns.remove(handle)

    def port_gone(self, handle: int) -> None:
        """Its device is unplugged: say so once."""
        for descriptor, owner in list(self._ports.items()):
            if owner == handle:
                del self._ports[descriptor]
                self._poller.unregister(descriptor)
                self._turns.remove(handle)
                self._closed.append(Event(EventType.SERIAL_CLOSED, clock.monotonic_ns(), handle))

    def take(self, found: list[tuple[int, int]]) -> Event | None:
        """The next event, given the descriptors that poll found."""
        self._readable.clear()
        for descriptor, flags in found:
            if descriptor in self._lines:
                self._drain(*self._lines[descriptor])
                if flags & _GONE and descriptor in self._lines:
                    self.forget(self._lines[descriptor][0])
            elif descriptor in self._ports:
                if flags & select.POLLIN:
                    self._readable.add(self._ports[descriptor])
                elif flags & _GONE:
                    self.port_gone(self._ports[descriptor])
        if self._closed:
            return self._closed.popleft()
        return self._next_turn()

    def _next_turn(self) -> Event | None:
        for _ in range(len(self._turns)):
            source = self._turns[0]
            self._turns.rotate(-1)
            if source == _EDGES and self._edges:
                return self._edges.popleft()
            if source in self._readable:
                return Event(EventType.SERIAL_READABLE, clock.monotonic_ns(), source)
        return None

    def _drain(self, handle: int, line: Line) -> None:
        # A line that is gone is forgotten: reading it tells the app, polling it would spin.
        try:
            edges = line.read_edges()
        except HalError:
            self.forget(handle)
            return
        for edge in edges:
            self.lost += edge.lost + (len(self._edges) == QUEUE_LIMIT)
            self._edges.append(Event(EventType.GPIO_EDGE, edge.time_ns, handle, int(edge.rising)))
