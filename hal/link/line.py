"""The thread of one microcontroller: it owns the serial port and runs the link's session.

The port is opened again, by whatever name it then has, when it has gone: a cable that is pulled, a
brown-out and a restart are events. The session outlives the port, so a device that kept its power
goes on where it was. Requests of any thread wait in a queue, as a session has one at a time.
"""

import logging
import os
import select
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from firmware.link import session
from firmware.link.session import Session
from firmware.link.smp import READ, UNSUPPORTED
from hal import clock
from hal.errors import BusTimeoutError, HalError, ResourceBusyError
from hal.link.link import REQUEST_TIMEOUT, Happening, Identity, Listener, gone
from hal.link.uptime import ASK_EVERY, Uptime
from hal.serial import SerialPort

QUEUE_LIMIT = 64
"""Requests that wait: a device takes 32 pins and devices, all of them are opened again at once."""
RETRY = 0.5
"""Seconds between two looks for a port that is not there."""
GROUP, CLOCK = 65, 3
"""The device's own clock (firmware/device/bus.py)."""
READ_BYTES = 4096
_MS = 1_000_000

_log = logging.getLogger(__name__)

T = TypeVar("T")
Answer = dict[object, object]
Done = Callable[[Answer | Exception], None]


@dataclass(slots=True, eq=False)
class _Request:
    operation: int
    group: int
    command: int
    content: Mapping[str, object]
    done: Done


@dataclass(slots=True)
class _Waiter:
    """Where a thread waits for its answer."""

    ready: threading.Event = field(default_factory=threading.Event)
    answer: Answer | Exception | None = None

    def take(self, answer: Answer | Exception) -> None:
        self.answer = answer
        self.ready.set()


class SerialLink:
    """A `hal.link.link.Link` on a serial port. Any thread may call."""

    def __init__(self, name: str, open_port: Callable[[], SerialPort]) -> None:
        """`open_port` finds and opens the port, or raises HalError; it is called again and again."""
        self.name = name
        self.trouble = "it has not been met yet"
        """Why the link is down, for people."""
        self._open_port = open_port
        self._lock = threading.Lock()
        self._queue: deque[_Request] = deque()
        self._under_way: _Request | None = None
        self._identity: Identity | None = None
        self._listeners: tuple[Listener, ...] = ()
        self._met = False
        """The link is up, as far as the queue is concerned; under the lock."""
        self._uptime = Uptime()
        self._ask_clock_at = 0.0
        self._asked_ns = 0
        """When the request that is under way was sent first."""
        self._peer = 0
        self._out = b""
        nonce = int.from_bytes(os.urandom(4), "big") or 1
        self._session = Session(nonce, {"id": name}, _now())
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"link-{name}", daemon=True)

    def start(self) -> None:
        """Look for the device from now on."""
        self._thread.start()

    def close(self) -> None:
        """Give the port back; may be called twice."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            os.eventfd_write(self._wake, 1)
        if self._thread.ident is not None:
            self._thread.join()
        with self._lock:
            os.close(self._wake)

    @property
    def identity(self) -> Identity | None:
        """Who is at the other end; None while the link is down."""
        return self._identity

    def subscribe(self, listener: Listener) -> None:
        """Tell `listener`, on the link's thread, what happens and what is reported."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

    def monotonic_ns(self, device_us: int) -> int:
        """When it was by CLOCK_MONOTONIC what the device says; from a listener only."""
        return self._uptime.monotonic_ns(device_us, clock.monotonic_ns())

    def request(
        self,
        operation: int,
        group: int,
        command: int,
        content: Mapping[str, object],
        timeout: float = REQUEST_TIMEOUT,
    ) -> Answer:
        """See `hal.link.link.Link`."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("a listener cannot wait for an answer: use post")
        waiter = _Waiter()
        request = self._post(operation, group, command, content, waiter.take)
        if not waiter.ready.wait(timeout):
            with self._lock:
                if request in self._queue:
                    self._queue.remove(request)
            raise BusTimeoutError(f"{self.name}: no answer within {timeout:g} s")
        if isinstance(waiter.answer, Exception):
            raise waiter.answer
        assert waiter.answer is not None  # noqa: S101 - it is ready
        return waiter.answer

    def post(
        self, operation: int, group: int, command: int, content: Mapping[str, object], done: Done
    ) -> None:
        """Ask without waiting: `done` is called on the link's thread with the answer or error.

        Raises DeviceGoneError or ResourceBusyError at once.
        """
        self._post(operation, group, command, content, done)

    def _post(
        self, operation: int, group: int, command: int, content: Mapping[str, object], done: Done
    ) -> _Request:
        request = _Request(operation, group, command, content, done)
        with self._lock:
            if not self._met or self._closing:
                raise gone(self.name, self.trouble)
            if len(self._queue) >= QUEUE_LIMIT:
                raise ResourceBusyError(f"{self.name}: {QUEUE_LIMIT} requests wait already")
            self._queue.append(request)
            os.eventfd_write(self._wake, 1)
        return request

    # --- the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing:
            try:
                port = self._open_port()
            except (HalError, OSError) as error:
                self.trouble = str(error)
                self._rest(RETRY)
                continue
            try:
                with port:
                    self._serve(port)
            except (HalError, OSError) as error:
                self.trouble = str(error)
            self._out = b""
            self._session.cut(_now())
            self._take_events()
        self._fail_all("the node gives it up")

    def _serve(self, port: SerialPort) -> None:
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        descriptor = port.fileno()
        self.trouble = "it does not answer on its port"
        while not self._closing:
            now = _now()
            self._session.tick(now)
            self._take_events()
            self._ask_next(now)
            self._write(port)
            wanted = select.POLLIN | (select.POLLOUT if self._out else 0)
            poller.register(descriptor, wanted)
            found = dict(poller.poll(max(0, self._session.due() - _now())))
            if self._wake in found:
                os.eventfd_read(self._wake)
            if found.get(descriptor, 0) & ~select.POLLOUT:
                data = port.read(READ_BYTES)
                self._session.receive(data, _now())

    def _write(self, port: SerialPort) -> None:
        # What the session holds is bounded; what it gave away is bounded by not asking for more.
        self._out = self._out or self._session.outgoing()
        if self._out:
            self._out = self._out[port.write(self._out, 0) :]

    def _take_events(self) -> None:
        events, self._session.events = self._session.events, []
        for event in events:
            match event:
                case (session.UP, who):
                    self._up(Identity.of(who))
                case (session.DOWN,):
                    self._down()
                case (session.REPORTED, dict() as report):
                    for listener in self._listeners:
                        self._call(listener.reported, report)
                case (session.ANSWERED, dict() as answer):
                    self._finish(answer)
                case (session.FAILED,):
                    self._finish(BusTimeoutError(f"{self.name}: it does not answer this request"))
                case (session.ASKED, *_):
                    self._session.answer({"rc": UNSUPPORTED})  # a node serves nothing
                case _:
                    pass  # a report that is no map: a newer firmware's

    def _up(self, identity: Identity) -> None:
        anew = self._peer not in (0, self._session.peer)
        if self._peer != self._session.peer:
            self._uptime = Uptime()
        self._peer = self._session.peer
        self._ask_clock_at = clock.monotonic()
        with self._lock:
            self._met = True
        if anew:
            self._tell(Happening.RESTARTED)
        self._identity = identity
        self._tell(Happening.UP)

    def _down(self) -> None:
        self._identity = None
        self._fail_all("it went silent, or restarted, before it answered")
        self._tell(Happening.DOWN)

    def _tell(self, what: Happening) -> None:
        for listener in self._listeners:
            self._call(listener.happened, what)

    def _call(self, told: Callable[[T], None], what: T) -> None:
        """Whoever listens may be wrong; the hardware of everybody else stays."""
        try:
            told(what)
        except Exception:  # noqa: BLE001 - it is in the log, with its traceback
            _log.exception("%s: a listener failed", self.name)

    def _ask_next(self, now: int) -> None:
        if not self._session.up or self._session.asking:
            return
        request = self._next()
        while request is not None:
            self._under_way = request
            self._asked_ns = clock.monotonic_ns()
            try:
                self._session.ask(
                    request.operation,
                    request.group,
                    request.command,
                    dict(request.content),
                    now,
                )
            except (ValueError, TypeError) as error:
                self._finish(error)
                request = self._next()
            else:
                return

    def _next(self) -> _Request | None:
        with self._lock:
            if self._queue:
                return self._queue.popleft()
        if clock.monotonic() >= self._ask_clock_at:
            self._ask_clock_at = clock.monotonic() + ASK_EVERY
            return _Request(READ, GROUP, CLOCK, {}, self._take_clock)
        return None

    def _take_clock(self, answer: Answer | Exception) -> None:
        """Devices of others have no such clock, and say so."""
        if isinstance(answer, dict) and isinstance(shown := answer.get("t"), int):
            self._uptime.measured(shown, self._asked_ns, clock.monotonic_ns())

    def _finish(self, answer: Answer | Exception) -> None:
        """Nobody waits when the link was down in between."""
        if self._under_way is not None:
            request, self._under_way = self._under_way, None
            self._call(request.done, answer)

    def _fail_all(self, why: str) -> None:
        with self._lock:
            self._met = False
            waiting, self._queue = self._queue, deque()
        self._finish(gone(self.name, why))
        for request in waiting:
            self._call(request.done, gone(self.name, why))

    def _rest(self, seconds: float) -> None:
        waiting = select.poll()
        waiting.register(self._wake, select.POLLIN)
        if waiting.poll(seconds * 1000) and not self._closing:
            os.eventfd_read(self._wake)


def _now() -> int:
    """Milliseconds, for the session."""
    return clock.monotonic_ns() // _MS
