"""GPIO lines seen and driven from outside the guest.

Where the chip has wires, a change is a change on the wire and makes interrupts. Where QEMU gave it
none, the level that the chip shows is stored, and no interrupt comes.
"""

from qemu.board.errors import MachineError
from qemu.board.hostview import word_at
from qemu.board.machine import Directions, Machine, Register
from qemu.board.qtest import TestChannel
from qemu.board.wire import Monitor

_UNATTACHED = "/machine/unattached"


class Gpio:
    """The GPIO lines of a board that is on. One thread at a time."""

    def __init__(self, machine: Machine, monitor: Monitor, channel: TestChannel) -> None:
        self._machine = machine
        self._monitor = monitor
        self._channel = channel

    def level(self, line: int) -> bool:
        """The level of a line as the chip shows it; raises MachineError."""
        lines = self._register(line)
        return bool(self._word(lines.address) >> (line - lines.first) & 1)

    def drive(self, line: int, *, level: bool) -> None:
        """Set the level of an input; raises MachineError when the guest drives the line."""
        lines = self._register(line)
        if lines.directions is not None:
            self._refuse_output(line, lines.directions)
        if lines.chip is not None:
            self._channel.set_wire(self._chip(lines.chip), line - lines.first, high=level)
            return
        address = lines.set_at if level else lines.clear_at
        if address is None:
            raise MachineError(f"nothing drives {self._machine.name}'s GPIO lines from outside")
        self._channel.write_word(address, 1 << (line - lines.first))

    def _register(self, line: int) -> Register:
        for lines in self._machine.gpio:
            if 0 <= line - lines.first < lines.count:
                return lines
        raise MachineError(f"{self._machine.name} shows no GPIO line {line}")

    def _refuse_output(self, line: int, directions: Directions) -> None:
        if directions.is_output(line, self._word(directions.address_of(line))):
            raise MachineError(f"the guest drives GPIO line {line}: it is an output")

    def _chip(self, kind: str) -> str:
        for part in self._monitor.execute("qom-list", path=_UNATTACHED):
            if part["type"] == f"child<{kind}>":
                return f"{_UNATTACHED}/{part['name']}"
        raise MachineError(f"{self._machine.name} has no {kind}")

    def _word(self, address: int) -> int:
        said: str = self._monitor.execute(
            "human-monitor-command", command_line=f"xp /1xw {address:#x}"
        )
        return word_at(said)
