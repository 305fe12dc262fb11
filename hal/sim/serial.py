"""The far end of a simulated serial port: a pty pair, so that bytes cross a real device node.

The app's side opens the pty's node as any serial port. The far end keeps what it received,
and plays recordings at a line's rate from a thread of its own.
"""

import os
import select
import threading
import tty
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hal import clock

RECEIVED_LIMIT = 65536
"""Bytes kept of what an app wrote; older ones are dropped."""
_STEP = 0.02
"""Seconds between the pieces of a recording: a piece is then a few bytes, as on a slow line."""


@dataclass(slots=True)
class _Playing:
    data: bytes
    rate: float
    repeat: bool
    position: float = 0.0
    sent: int = 0
    last: float | None = None


class FarEnd:
    """The other side of one port. Any thread may call."""

    def __init__(self, name: str, changed: Callable[[str], None]) -> None:
        """Make the pty; `changed` is called with the name when bytes have arrived."""
        self.name = name
        self._changed = changed
        self._lock = threading.Lock()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = Path(os.ttyname(self._slave))
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._received = bytearray()
        self._outgoing = bytearray()
        self._playing: _Playing | None = None
        self._sent = 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"sim-{name}", daemon=True)
        self._thread.start()

    @property
    def received(self) -> bytes:
        """The newest bytes that were written to the port."""
        with self._lock:
            return bytes(self._received)

    @property
    def sent(self) -> int:
        """Bytes put on the line so far."""
        with self._lock:
            return self._sent

    def send(self, data: bytes) -> None:
        """Put bytes on the line as fast as it takes them."""
        with self._lock:
            self._outgoing += data
        self._nudge()

    def play(self, data: bytes, rate: float, *, repeat: bool = False) -> None:
        """Put a recording on the line at `rate` bytes a second, replacing the one that plays."""
        with self._lock:
            self._playing = _Playing(data, rate, repeat) if data else None
        self._nudge()

    def close(self) -> None:
        """Hang up: a port that is still open finds its device gone. May be called twice."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
        self._nudge()
        self._thread.join()
        for fd in (self._master, self._slave, self._wake):
            os.close(fd)

    def _nudge(self) -> None:
        os.eventfd_write(self._wake, 1)

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._closing:
                    return
                self._feed(clock.monotonic())
                waits_to_send = bool(self._outgoing)
                timeout = _STEP if self._playing else None
            waiting = select.poll()
            waiting.register(self._wake, select.POLLIN)
            events = select.POLLIN | (select.POLLOUT if waits_to_send else 0)
            waiting.register(self._master, events)
            ready = dict(waiting.poll(None if timeout is None else timeout * 1000))
            if self._wake in ready:
                os.eventfd_read(self._wake)
            happened = ready.get(self._master, 0)
            if happened & select.POLLIN:
                self._take()
            if happened & select.POLLOUT:
                self._put()

    def _feed(self, now: float) -> None:
        """Move what is due of the recording to the outgoing bytes."""
        playing = self._playing
        if playing is None:
            return
        if playing.last is not None and not self._outgoing:
            playing.position += (now - playing.last) * playing.rate
        playing.last = now
        due = int(playing.position)
        self._outgoing += playing.data[playing.sent : due]
        playing.sent = min(due, len(playing.data))
        if playing.sent == len(playing.data):
            self._playing = (
                _Playing(playing.data, playing.rate, repeat=True, last=now)
                if playing.repeat
                else None
            )

    def _take(self) -> None:
        try:
            data = os.read(self._master, RECEIVED_LIMIT)
        except OSError:
            return
        with self._lock:
            self._received += data
            del self._received[:-RECEIVED_LIMIT]
        self._changed(self.name)

    def _put(self) -> None:
        with self._lock:
            try:
                taken = os.write(self._master, self._outgoing)
            except BlockingIOError:
                return
            del self._outgoing[:taken]
            self._sent += taken
        self._changed(self.name)
