"""A serial port that an agent opens by its node, with an emulated microcontroller at its other end."""

import contextlib
import os
import select
import socket
import threading
import tty
from collections.abc import Iterator
from pathlib import Path


def carry(near: int, far: int, stop: threading.Event) -> None:
    """Bytes between two descriptors, both ways, until `stop`; who lost its power says nothing."""
    while not stop.is_set():
        ready, _, _ = select.select([near, far], [], [], 0.05)
        for one, other in ((near, far), (far, near)):
            if one in ready and not _passed(one, other):
                stop.wait()


def _passed(one: int, other: int) -> bool:
    """Whether there may be more."""
    try:
        data = os.read(one, 4096)
        while data:
            data = data[os.write(other, data) :]
    except BlockingIOError:
        return True
    except OSError:
        return False
    return True


@contextlib.contextmanager
def joined(near: socket.socket, far: socket.socket) -> Iterator[None]:
    """Two serial ports, as sockets, with a cable between them."""
    stop = threading.Event()
    thread = threading.Thread(target=carry, args=(near.fileno(), far.fileno(), stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


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
        self._thread = threading.Thread(
            target=carry, args=(master, far.fileno(), self._stop), daemon=True
        )
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
