"""The node's end of an emulated microcontroller: the real link and board on its socket."""

import queue
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hal.errors import ResourceNotFoundError
from hal.link.board import McuBoard
from hal.link.line import SerialLink
from hal.link.link import Happening
from hal.report import PropertyReport
from tests.support.far_device import SocketPort
from tests.support.mcu import Mcu

PATIENCE = 60.0


class Cable:
    """Between a node and what is at its other end, which may be pulled or put elsewhere."""

    def __init__(self) -> None:
        self._far: socket.socket | None = None
        self._port: SocketPort | None = None
        self._silence: socket.socket | None = None

    def port(self) -> SocketPort:
        """What a `SerialLink` opens."""
        if self._far is None:
            raise ResourceNotFoundError("nothing is plugged in")
        self._port = SocketPort(self._far.dup())
        return self._port

    def plug(self, chip: Mcu) -> None:
        self._far = chip.link
        if self._port is not None and not self._port.gone:
            self._port.swap(chip.link.dup())

    def lose_power(self) -> None:
        """The node's port stays, as a UART does, with nothing but silence at its other end."""
        near, self._silence = socket.socketpair()
        assert self._port is not None
        self._port.swap(near)

    def close(self) -> None:
        if self._silence is not None:
            self._silence.close()

    def pull(self) -> None:
        """The node finds its port gone; the microcontroller keeps its power."""
        assert self._far is not None
        self._far = None
        if self._port is not None:
            self._port.gone = True


class Attached:
    """A microcontroller as the node has it, and what it is told."""

    def __init__(self, name: str, config: dict[str, Any] | None = None) -> None:
        self.cable = Cable()
        self.link = SerialLink(name, self.cable.port)
        self.board = McuBoard(self.link, config)
        self.happenings: queue.Queue[Happening] = queue.Queue()
        self.properties: queue.Queue[PropertyReport] = queue.Queue()
        self.link.subscribe(self)
        self.board.property_reported = self.properties.put

    def happened(self, what: Happening) -> None:
        self.happenings.put(what)

    def reported(self, report: Any) -> None:
        """The board's business."""

    def until(self, what: Happening) -> None:
        while self.happenings.get(timeout=PATIENCE) is not what:
            pass

    def property(self, name: str) -> PropertyReport:
        """The next report of a property; those of others before it are dropped."""
        while True:
            found = self.properties.get(timeout=PATIENCE)
            if found.name == name:
                return found


@contextmanager
def attached(
    name: str, chip: Mcu | None = None, config: dict[str, Any] | None = None
) -> Iterator[Attached]:
    """Met, when there is a chip."""
    made = Attached(name, config)
    if chip is not None:
        made.cable.plug(chip)
    made.link.start()
    try:
        if chip is not None:
            made.until(Happening.UP)
        yield made
    finally:
        made.link.close()
        made.cable.close()
