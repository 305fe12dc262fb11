"""A board made of several: real and simulated parts, and microcontrollers that hang off it.

Each name belongs to one of them. Simulated parts among them make it a DrivenBoard.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hal.board import AttachingBoard, Board, DrivenBoard, not_found
from hal.gpio import Line, LineConfig
from hal.i2c import I2CDevice
from hal.serial import SerialConfig, SerialPort


@dataclass(frozen=True, slots=True)
class Part:
    """One of the boards, and which names are its own."""

    board: Board
    owns: Callable[[str], bool]

    @classmethod
    def of(cls, board: Board) -> "Part":
        """A board whose names do not change."""
        names = frozenset(board.resources())
        return cls(board, names.__contains__)


class CompositeBoard:
    """Opens each name on the part that has it. Any thread may call."""

    def __init__(self, name: str, parts: Sequence[Part]) -> None:
        """No name may be of two parts."""
        self._name = name
        self._parts = tuple(parts)

    @property
    def name(self) -> str:
        """The board's type."""
        return self._name

    @property
    def parts(self) -> tuple[Board, ...]:
        """The boards it is made of."""
        return tuple(part.board for part in self._parts)

    def resources(self) -> list[str]:
        """Names that can be granted, of all."""
        return sorted(name for part in self._parts for name in part.board.resources())

    def attach(self) -> None:
        """Look for what is attached from now on; once."""
        for part in self._parts:
            if isinstance(part.board, AttachingBoard):
                part.board.attach()

    def awaits(self, name: str) -> bool:
        """Whether the name is of a part that has not told yet what it has."""
        return any(
            part.owns(name) and isinstance(part.board, AttachingBoard) and part.board.awaits(name)
            for part in self._parts
        )

    def open_line(self, name: str, config: LineConfig) -> Line:
        """Request a GPIO line."""
        return self._owner("GPIO line", name).open_line(name, config)

    def open_i2c(self, bus: str, address: int) -> I2CDevice:
        """Claim a 7-bit address on a bus."""
        return self._owner("I2C bus", bus).open_i2c(bus, address)

    def open_serial(self, name: str, config: SerialConfig) -> SerialPort:
        """Open a serial port."""
        return self._owner("serial port", name).open_serial(name, config)

    def close(self) -> None:
        """Close every part; may be called twice."""
        for part in self._parts:
            part.board.close()

    def _owner(self, what: str, name: str) -> Board:
        for part in self._parts:
            if part.owns(name):
                return part.board
        raise not_found(what, name, self.resources())


class DrivenComposite(CompositeBoard):
    """With one simulated part, which is driven from outside."""

    def __init__(self, name: str, parts: Sequence[Part], driven: DrivenBoard) -> None:
        """`driven`: one of the parts."""
        super().__init__(name, parts)
        self._driven = driven

    def drive(self, target: str, **values: bool | float | str) -> None:
        """Drive a simulated part."""
        self._driven.drive(target, **values)

    def observe(self) -> Mapping[str, object]:
        """What every simulated part does now."""
        return self._driven.observe()


def composite(name: str, parts: Sequence[Part]) -> Board:
    """The parts as one board; one alone stays what it is."""
    driven = [part.board for part in parts if isinstance(part.board, DrivenBoard)]
    if len(parts) == 1:
        return parts[0].board
    if driven:
        return DrivenComposite(name, parts, driven[0])
    return CompositeBoard(name, parts)
