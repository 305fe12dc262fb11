"""Reading what QEMU's human monitor prints: pure functions of its text."""

import re

from qemu.board.errors import MonitorError

_FORWARD = re.compile(r"^\s*TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+(\d+)\s")
_WORD = re.compile(r"^[0-9a-f]+: 0x([0-9a-f]{8})\s*$")


def forwarded_port(usernet: str, guest_port: int) -> int | None:
    """The host's port that `info usernet` shows for a TCP port of the guest."""
    for line in usernet.splitlines():
        found = _FORWARD.match(line)
        if found and int(found[2]) == guest_port:
            return int(found[1])
    return None


def word_at(examined: str) -> int:
    """The word that `xp /1xw` printed; raises MonitorError."""
    found = _WORD.match(examined.strip())
    if found is None:
        raise MonitorError(f"QEMU cannot read there: {examined.strip()!r}")
    return int(found[1], 16)
