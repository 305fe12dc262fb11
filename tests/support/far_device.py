"""The device's end of a link on a socket, in a thread: a real session, answers by a function.

`FarDevice` can be unplugged, plugged in again and started anew; `port` is what a `SerialLink` opens.
"""

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from firmware.link import session
from firmware.link.session import Session
from hal.errors import BusError, ResourceNotFoundError
from hal.serial import READ_LIMIT
from tests.support.system import until

Answers = Callable[[int, int, int, dict[str, Any]], dict[str, Any] | None]
"""Of operation, group, command, content; None: never an answer."""


class SocketPort:
    """A `hal.serial.SerialPort` on a connected socket."""

    def __init__(self, connected: socket.socket) -> None:
        self.gone = False
        """Its cable was pulled."""
        self._socket = connected
        connected.setblocking(False)

    def read(self, limit: int = READ_LIMIT) -> bytes:
        self._check()
        try:
            data = self._socket.recv(limit)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise BusError(error.errno, "the far end is gone") from error
        if not data:
            raise BusError(5, "the far end is gone")
        return data

    def write(self, data: bytes, timeout: float) -> int:
        assert timeout == 0
        self._check()
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise BusError(error.errno, "the far end is gone") from error

    def swap(self, connected: socket.socket) -> None:
        """Another far end, while the port's own descriptor stays."""
        os.dup2(connected.fileno(), self._socket.fileno())
        connected.close()
        self._socket.setblocking(False)

    def _check(self) -> None:
        if self.gone:
            raise BusError(5, "the cable was pulled")

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FarDevice:
    """Plugged in and running once entered."""

    def __init__(self, answers: Answers, **who: Any) -> None:
        self._answers = answers
        self._who = {"name": "far", "id": "7", "firmware": "1.2.3", **who}
        self._starts = 0
        self._lock = threading.Lock()
        self._near: socket.socket | None = None
        self._far: socket.socket | None = None
        self._closing = False
        self._session = self._start()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def port(self) -> SocketPort:
        """Open its port, as often as it is there."""
        with self._lock:
            if self._near is None:
                raise ResourceNotFoundError("nothing is plugged in")
            return SocketPort(self._near.dup())

    def plug(self) -> None:
        with self._lock:
            self._near, self._far = socket.socketpair()

    def unplug(self) -> None:
        with self._lock:
            for end in (self._near, self._far):
                if end is not None:
                    end.shutdown(socket.SHUT_RDWR)
                    end.close()
            self._near = self._far = None

    def restart(self) -> None:
        """Forget everything, as after a reset; the line stays."""
        with self._lock:
            self._session = self._start()

    def report(self, value: dict[str, Any]) -> None:
        until(lambda: self._session.up, "it has met its node")
        with self._lock:
            self._session.report(value, _now())

    def _start(self) -> Session:
        self._starts += 1
        return Session(0x1000 + self._starts, self._who, _now())

    def _run(self) -> None:
        while not self._closing:
            with self._lock:
                far = self._far
                if far is not None:
                    self._step(far)
            # Unplugged meanwhile, it is closed: the next look finds that.
            with suppress(OSError, ValueError):
                select.select([far] if far else [], [], [], 0.002)

    def _step(self, far: socket.socket) -> None:
        self._session.tick(_now())
        try:
            if select.select([far], [], [], 0)[0]:
                self._session.receive(far.recv(4096), _now())
            events, self._session.events = self._session.events, []
            for event in events:
                if event[0] == session.ASKED:
                    answer = self._answers(*event[1:])
                    if answer is not None:
                        self._session.answer(answer)
            far.sendall(self._session.outgoing())
        except OSError:
            pass  # the node closed its end

    def __enter__(self) -> Self:
        self.plug()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._thread.join()
        self.unplug()


def _now() -> int:
    return int(time.monotonic() * 1000)
