"""Which of two systems a board starts: the state behind trial boots, and its form on the disk.

A new system is tried a few times; only when it is confirmed it becomes the good one. Before each
try the board's initramfs (boards/image/files/slots, the same rules in shell) counts one down, so
a system that hangs, crashes or never confirms ends at the old one by itself.

The state lies twice on the disk, each copy in a sector of its own with a sequence number and a
checksum. Only the older copy is ever written: a torn write leaves the newer one, which is whole.
No copy at all, as on a new card, means slot A.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

SECTOR = 512
PLACES = (512 << 10, 768 << 10)
"""Bytes from the disk's start: before the first partition, in what a flasher always wipes."""
TRIES = 3
"""Boots that a new system is given: one may fall to a power cut, two hardly."""
TRIES_LIMIT = 9
_MAGIC = "skerry-slots 1"
_SUM = 16
"""Hexadecimal digits of SHA-256: against torn writes, not against people."""
_NONE = "-"


class Slot(Enum):
    """One of the two systems."""

    A = "A"
    B = "B"

    @property
    def other(self) -> "Slot":
        """The one that this is not."""
        return Slot.B if self is Slot.A else Slot.A


@dataclass(frozen=True, slots=True)
class Slots:
    """What the disk knows; `seq` rises with each change."""

    seq: int = 0
    good: Slot = Slot.A
    trial: Slot | None = None
    tries: int = 0
    """Boots that `trial` still has."""
    failed: Slot | None = None
    """The slot whose trial ended without a confirmation, until another trial begins."""


def begin_trial(slots: Slots, slot: Slot, tries: int = TRIES) -> Slots:
    """The next boots are `slot`'s; ValueError when that is the good one or `tries` is out of range."""
    if slot is slots.good:
        raise ValueError(f"slot {slot.value} is the good one: there is nothing to try")
    if not 1 <= tries <= TRIES_LIMIT:
        raise ValueError(f"tries: {tries} is not from 1 to {TRIES_LIMIT}")
    return replace(slots, seq=slots.seq + 1, trial=slot, tries=tries, failed=None)


def boot(slots: Slots) -> tuple[Slots, Slot]:
    """What the initramfs writes before it starts a system, and which it starts."""
    if slots.trial is None:
        return slots, slots.good
    if slots.tries:
        return replace(slots, seq=slots.seq + 1, tries=slots.tries - 1), slots.trial
    return replace(slots, seq=slots.seq + 1, trial=None, failed=slots.trial), slots.good


def confirm(slots: Slots, running: Slot) -> Slots:
    """`running` has proved itself; unchanged unless it is on trial."""
    if slots.trial is not running:
        return slots
    return replace(slots, seq=slots.seq + 1, good=running, trial=None, tries=0)


def encode(slots: Slots) -> bytes:
    """One copy: a sector with a line of text that a person can read too."""
    trial, failed = (slot.value if slot else _NONE for slot in (slots.trial, slots.failed))
    line = f"{_MAGIC} {slots.seq} {slots.good.value} {trial} {slots.tries} {failed}"
    return f"{line} {_sum(line)}\n".encode().ljust(SECTOR, b"\0")


def decode(sector: bytes) -> Slots | None:
    """The inverse of `encode`; None for anything that is not a whole copy."""
    line, _, given = sector.rstrip(b"\0").decode("ascii", "replace").rstrip("\n").rpartition(" ")
    if not line.startswith(f"{_MAGIC} ") or _sum(line) != given:
        return None
    try:
        seq, good, trial, tries, failed = line.removeprefix(_MAGIC).split()
        return Slots(int(seq), Slot(good), _slot(trial), int(tries), _slot(failed))
    except ValueError:
        return None


def newest(copies: Sequence[bytes]) -> tuple[Slots, int]:
    """The state that counts, and which copy to write next: never the one it was read from."""
    known = [(state, at) for at, copy in enumerate(copies) if (state := decode(copy)) is not None]
    if not known:
        return Slots(), 0
    state, at = max(known, key=lambda pair: pair[0].seq)
    return state, 1 - at


def _slot(text: str) -> Slot | None:
    return None if text == _NONE else Slot(text)


def _sum(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()[:_SUM]
