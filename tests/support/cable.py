"""A serial port of this machine with an emulated microcontroller at its other end."""

import os
import select
import socket
import threading
import tty
from pathlib import Path
from typing import Self

READ_BYTES = 4096
LOOK = 0.1
"""Seconds between two looks whether the cable is still there."""


class Cable:
    """`port` is the node that an agent opens, while something is plugged in."""

    def __init__(self, port: Path) -> None:
        self.port = port
        self._cut = threading.Event()
        self._thread: threading.Thread | None = None

    def plug(self, far: socket.socket) -> None:
        """Connect it to what is at the other end."""
        assert self._thread is None, "it is plugged in"
        near, terminal = os.openpty()
        tty.setraw(terminal)
        self.port.unlink(missing_ok=True)
        self.port.symlink_to(os.ttyname(terminal))
        self._cut.clear()
        self._thread = threading.Thread(target=self._run, args=(near, terminal, far.dup()))
        self._thread.start()

    def pull(self) -> None:
        """The node of the port goes; what is at the other end keeps its power."""
        if self._thread is not None:
            self.port.unlink()
            self._cut.set()
            self._thread.join()
            self._thread = None

    def _run(self, near: int, terminal: int, far: socket.socket) -> None:
        """The terminal's own end is held, so that one who opens it later finds it."""
        with far:
            try:
                while not self._cut.is_set():
                    for end in select.select([near, far], [], [], LOOK)[0]:
                        if end is far:
                            data = far.recv(READ_BYTES)
                            if not data:
                                return
                            os.write(near, data)
                        else:
                            data = os.read(near, READ_BYTES)
                            far.sendall(data)
            except OSError:
                return  # the emulator has gone
            finally:
                os.close(terminal)
                os.close(near)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.pull()
