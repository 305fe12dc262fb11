"""A bench: what sits at the other ends of a board's pins and buses, for suites that run on a board.

The board asks it over a serial line, a line each way: `set LINE 0|1` drives a pin and `feel MILLI`
warms a thermometer, both answered with `ok`; `level LINE` is answered with `0` or `1`. A virtual
board's bench is `bench_host`; on a desk it could be a microcontroller. What a board's bench has
is told to its tests in one environment variable.
"""

import json
import os
import tty
from dataclasses import asdict, dataclass
from typing import BinaryIO

VARIABLE = "SKERRY_BENCH"
# A bench answers at once; the bound keeps a babbling line from filling the memory.
LINE_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Wiring:
    """What of the board leads to its bench, by device node."""

    port: str
    chip: str
    line: int
    bus: str | None = None
    """An I2C bus with 256 bytes of memory at 0x48, nothing at 0x49 and a TMP105 at 0x4A."""

    def variable(self) -> str:
        """`SKERRY_BENCH=…`, to start a suite with."""
        return f"{VARIABLE}={json.dumps(asdict(self))}"


def wiring() -> Wiring | None:
    """The bench of the board that this process runs on, or None."""
    told = os.environ.get(VARIABLE)
    return None if told is None else Wiring(**json.loads(told))


class Bench:
    """The board's end. One thread at a time."""

    def __init__(self, port: str) -> None:
        """Open the serial line."""
        self._port: BinaryIO = open(port, "r+b", buffering=0)  # noqa: PTH123, SIM115
        tty.setraw(self._port)

    def close(self) -> None:
        """Let go of the line."""
        self._port.close()

    def set(self, line: int, *, level: bool) -> None:
        """Drive a pin of the board."""
        assert self._ask(f"set {line} {level:d}") == "ok"

    def level(self, line: int) -> bool:
        """What the board drives."""
        return self._ask(f"level {line}") == "1"

    def feel(self, celsius: float) -> None:
        """Set what the thermometer feels."""
        assert self._ask(f"feel {round(celsius * 1000)}") == "ok"

    def _ask(self, request: str) -> str:
        self._port.write(request.encode() + b"\n")
        answer = self._port.readline(LINE_LIMIT).decode().strip()
        assert not answer.startswith("error"), answer
        return answer
