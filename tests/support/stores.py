"""Helpers for tests of edge.store: publishing in one line, and what a crash leaves behind."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from edge.store import Store
from edge.wire.codec import decode_gap
from edge.wire.manifest import Durability, OnFull
from edge.wire.messages import Entry, EntryKind

NEVER = 3600.0
"""A sync interval that no test reaches: relaxed entries stay in the journal until flushed."""


def publish(
    store: Store,
    payload: bytes = b"pack",
    *,
    app: str = "meter",
    stream: str = "temperature",
    time_ns: int = 1,
    records: int = 1,
    durability: Durability = Durability.SYNCED,
    on_full: OnFull = OnFull.DROP_OLDEST,
) -> int:
    """One append with defaults."""
    return store.outbox.append(
        app, stream, time_ns, payload, records, durability=durability, on_full=on_full
    )


def held(store: Store, after: int = 0) -> list[Entry]:
    """Everything in the outbox."""
    return store.outbox.read(after, 1 << 40, 1 << 40)


def payloads(entries: Iterable[Entry]) -> list[bytes]:
    """The packs among entries."""
    return [entry.payload for entry in entries if entry.kind is EntryKind.SENML]


def gap_records(entries: Iterable[Entry]) -> int:
    """Readings that the gaps among entries stand for."""
    return sum(
        decode_gap(entry.payload).records for entry in entries if entry.kind is EntryKind.GAP
    )


def killed(directory: Path, image: Path) -> Path:
    """What is left of a store whose process is killed now: its files as the kernel has them."""
    return Path(shutil.copytree(directory, image))


def journals(directory: Path) -> list[Path]:
    """The journal files of the one store in `directory`."""
    return sorted(directory.glob("outbox-*.journal"))
