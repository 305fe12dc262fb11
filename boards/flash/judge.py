"""Whether a target may be written, from facts alone. Pure; `machine` gathers the facts."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from boards.errors import TargetRefusedError

GB = 1_000_000_000
USUAL_LIMIT = 256
"""GB; cards and sticks are at most this large, the disks of a desk are mostly larger."""
Number = tuple[int, int]
"""Major and minor of a block device."""


class Kind(Enum):
    """What a path is."""

    BLOCK = "block device"
    FILE = "file"
    NEW = "new file"
    OTHER = "neither"


@dataclass(frozen=True, slots=True)
class Use:
    """A block device that is in use, and by what."""

    device: Number
    where: str
    """Mount point, or `swap`."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a target before it is opened."""

    path: Path
    kind: Kind
    size: int
    """Bytes; of a new file what the disk below has left."""
    read_only: bool = False
    writable: bool = True
    """Whether this user may write it."""
    family: frozenset[Number] = frozenset()
    """The disk, its partitions, and all that is built on them (dm, md)."""
    disk: str | None = None
    """The whole disk, when the target is a partition of it."""
    model: str = ""
    uses: Sequence[Use] = ()
    """All of this machine."""
    loops: Sequence[str] = ()
    """Loop devices that show this file."""


def judge(facts: Facts, *, image_size: int | None, limit_gb: int, sure: bool) -> None:
    """Raises TargetRefusedError with the remedy, for the first reason not to write.

    `image_size` is None while it is not known; `sure` is that the person said --yes.
    """
    reason = _reason(facts, limit_gb, sure=sure) or _too_small(facts, image_size)
    if reason:
        raise TargetRefusedError(f"{facts.path}: {reason}")


def _reason(facts: Facts, limit_gb: int, *, sure: bool) -> str | None:
    path = facts.path
    used = [use.where for use in facts.uses if use.device in facts.family]
    reasons = {
        "is neither a block device nor a file; give the card (see: lsblk) or a file": (
            facts.kind is Kind.OTHER
        ),
        f"is a partition; give the whole disk, {facts.disk}": facts.disk is not None,
        "holds the system that runs here; give another disk (see: lsblk)": (
            "/" in used or "swap" in used
        ),
        f"is mounted at {', '.join(used)}; first: {_unmount(used)}": bool(used),
        f"is attached to {', '.join(facts.loops)}; first: losetup -d {' '.join(facts.loops)}": bool(
            facts.loops
        ),
        "is read-only; slide the card's lock, or: blockdev --setrw " + str(path): facts.read_only,
        "may not be written by this user; run it with sudo, or ask for the group `disk`": (
            not facts.writable
        ),
        "has no size: no card in the reader?": facts.kind is Kind.BLOCK and facts.size == 0,
        f"has {facts.size / GB:.0f} GB, more than a card usually has ({limit_gb} GB); if it is the "
        f"right one: --size-limit {-(-facts.size // GB)}": (
            facts.kind is Kind.BLOCK and facts.size > limit_gb * GB
        ),
        "exists; to overwrite it: --yes": facts.kind is Kind.FILE and not sure,
    }
    return next((text for text, applies in reasons.items() if applies), None)


def _unmount(used: Sequence[str]) -> str:
    return "umount " + " ".join(f"'{where}'" if " " in where else where for where in used)


def _too_small(facts: Facts, image_size: int | None) -> str | None:
    if image_size is None or image_size <= facts.size:
        return None
    have, need = facts.size, image_size
    if facts.kind is Kind.BLOCK:
        return f"has {have} bytes, the image {need}; take a larger card"
    return f"the disk below has {have} bytes left, the image needs {need}; make room"
