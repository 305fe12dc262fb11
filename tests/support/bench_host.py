"""The bench of a virtual board: QEMU drives and shows the pins that the guest asks for."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from qemu.board import Board, BoardError
from tests.support.bench import LINE_LIMIT

PORT = "bench"
"""The serial port that leads to the bench: `Fittings(ports=(PORT,))`."""
# The driver of a serial port may send a character of its own first.
_ASKED = re.compile(rb"(set|level|feel) (-?\d+)(?: ([01]))?$")


@contextmanager
def serving(board: Board) -> Iterator[None]:
    """Answers the guest while the block runs; the block leaves GPIO and the monitor alone."""
    with board.open_port(PORT) as far:
        far.settimeout(None)
        thread = threading.Thread(target=_serve, args=(board, far), name="bench", daemon=True)
        thread.start()
        try:
            yield
        finally:
            far.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(board: Board, far: socket.socket) -> None:
    with far.makefile("rwb") as lines:
        # What the line's end leaves unfinished is the driver's last character: nobody asked.
        while (asked := lines.readline(LINE_LIMIT)).endswith(b"\n"):
            lines.write(_answer(board, asked.strip()) + b"\n")
            lines.flush()


def _answer(board: Board, asked: bytes) -> bytes:
    found = _ASKED.search(asked)
    if found is None:
        return b"error: the bench does not know " + ascii(asked).encode()
    number = int(found[2])
    try:
        if found[1] == b"level":
            return b"%d" % board.gpio_level(number)
        if found[1] == b"feel":
            board.sensor().celsius = number / 1000
        else:
            board.drive_gpio(number, level=found[3] == b"1")
    except BoardError as fault:
        return f"error: {fault}".encode()
    return b"ok"
