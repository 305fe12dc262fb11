"""QEMU's test channel (docs/devel/testing/qtest): memory and wires from outside the guest.

A line each way: a command, then `OK` with what was asked for, or `FAIL` with the reason.
"""

import socket

from qemu.board.errors import DeadlineError, MonitorError

# It answers at once, unless the host has no time to run QEMU.
ANSWER_S = 30.0
# An answer is a word and a number.
LINE_LIMIT = 4096


class TestChannel:
    """The channel over a socket. One thread at a time."""

    __test__ = False  # pytest takes the name for a test's

    def __init__(self, end: socket.socket) -> None:
        """Owns `end` from now on."""
        end.settimeout(ANSWER_S)
        self._end = end
        self._lines = end.makefile("rwb")

    def write_word(self, address: int, word: int) -> None:
        """Store 32 bits as a device of the machine would; raises MonitorError, DeadlineError."""
        self._ask(f"writel {address:#x} {word:#x}")

    def set_wire(self, device: str, number: int, *, high: bool) -> None:
        """Drive input `number` of the device at a QOM path; raises MonitorError, DeadlineError."""
        self._ask(f"set_irq_in {device} unnamed-gpio-in {number} {int(high)}")

    def close(self) -> None:
        """Let go of the channel; idempotent."""
        self._lines.close()
        self._end.close()

    def _ask(self, command: str) -> None:
        try:
            self._lines.write(command.encode() + b"\n")
            self._lines.flush()
            answer = self._lines.readline(LINE_LIMIT)
        except TimeoutError as fault:
            raise DeadlineError(f"QEMU's test channel is silent: {command}") from fault
        except OSError as fault:
            raise MonitorError(f"{command}: QEMU is gone") from fault
        if not answer.startswith(b"OK"):
            said = answer.decode(errors="replace").strip() or "QEMU ended"
            raise MonitorError(f"{command}: {said}")
