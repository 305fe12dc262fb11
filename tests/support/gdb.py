"""The little of GDB's remote protocol that stops an emulated machine at a function, and looks.

Source: "Debugging with GDB", appendix E: packets are `$data#checksum`, acknowledged by `+`.
"""

import socket
import subprocess
from pathlib import Path
from typing import Self

PATIENCE = 60.0
_READ = 4096


class Debugger:
    """Of one thread. The machine stands still from the connection on, until `go`."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(str(path))
        self._waiting = b""
        self._stops: list[int] = []

    def stop_at(self, addresses: list[int]) -> None:
        """Stop whenever one of these is about to be executed."""
        for address in addresses:
            assert self._ask(f"Z0,{address:x},2") == b"OK"
        self._stops = addresses

    def go(self) -> None:
        """Go on until the next stop."""
        at = self._registers()[15]
        if at in self._stops:  # it would stop here again
            assert self._ask(f"z0,{at:x},2") == b"OK"
            self._ask("s")
            assert self._ask(f"Z0,{at:x},2") == b"OK"
        self._send("c")

    def stopped(self, within: float) -> list[int] | None:
        """Registers r0 to r15 at the stop; None when there was none within these seconds."""
        self._socket.settimeout(within)
        try:
            self._packet()
        except TimeoutError:
            return None
        finally:
            self._socket.settimeout(PATIENCE)
        return self._registers()

    def memory(self, at: int, length: int) -> bytes:
        return bytes.fromhex(self._ask(f"m{at:x},{length:x}").decode())

    def _registers(self) -> list[int]:
        raw = bytes.fromhex(self._ask("g").decode())
        return [int.from_bytes(raw[4 * number : 4 * number + 4], "little") for number in range(16)]

    def _ask(self, packet: str) -> bytes:
        self._send(packet)
        return self._packet()

    def _send(self, packet: str) -> None:
        body = packet.encode()
        self._socket.sendall(b"$%b#%02x" % (body, sum(body) & 255))

    def _packet(self) -> bytes:
        while True:
            begin = self._waiting.find(b"$")
            end = self._waiting.find(b"#", begin)
            if 0 <= begin < end and len(self._waiting) >= end + 3:
                found, self._waiting = self._waiting[begin + 1 : end], self._waiting[end + 3 :]
                self._socket.sendall(b"+")
                return found
            more = self._socket.recv(_READ)
            assert more, "the machine is gone"
            self._waiting += more

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def address_of(function: str, elf: Path) -> int:
    """Where a function of a program begins."""
    command = ["arm-none-eabi-nm", str(elf)]
    told = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    (found,) = (line.split() for line in told.splitlines() if line.endswith(f" {function}"))
    return int(found[0], 16) & ~1
