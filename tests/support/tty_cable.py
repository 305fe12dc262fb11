"""A serial port that an agent opens by its node, with an emulated microcontroller at its other end."""

import contextlib
import os
import select
import socket
import threading
import tty
from pathlib import Path


class TtyCable:
    """A pty under a name that stays; each `plug` is another pty, as another `/dev/ttyACM0` would be."""

    def __init__(self, node: Path) -> None:
        """`node`: where the port is while something is plugged in."""
        self.node = node
        self._ends: tuple[int, int] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def plug(self, far: socket.socket) -> None:
        """The far end is there."""
        master, slave = os.openpty()
        tty.setraw(slave)
        self._ends = master, slave
        self._stop.clear()
        self._thread = threading.Thread(target=self._carry, args=(master, far), daemon=True)
        self._thread.start()
        self.node.symlink_to(os.ttyname(slave))

    def pull(self) -> None:
        """The node is gone, and who has it open finds it so."""
        self.node.unlink()
        self._stop.set()
        assert self._thread is not None
        self._thread.join()
        assert self._ends is not None
        for end in self._ends:
            os.close(end)
        self._ends = None

    def close(self) -> None:
        if self._ends is not None:
            self.pull()

    def _carry(self, master: int, far: socket.socket) -> None:
        while not self._stop.is_set():
            ready, _, _ = select.select([master, far], [], [], 0.05)
            with contextlib.suppress(OSError):  # a microcontroller without power says nothing
                if master in ready:
                    far.sendall(os.read(master, 4096))
                if far in ready:
                    data = far.recv(4096)
                    if not data:
                        self._stop.wait()
                    os.write(master, data)
