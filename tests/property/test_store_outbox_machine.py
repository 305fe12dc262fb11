"""The outbox against a plain model and a cloud that keeps a high-water mark.

Whatever is published, read, lost on the way, acknowledged, dropped, killed and reopened: each record
that was accepted is in the cloud or the outbox exactly once, or counted in exactly one gap.
"""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge.store import Store
from edge.store.entry import OVERHEAD
from edge.store.errors import OutboxFullError
from edge.wire.codec import decode_gap
from edge.wire.manifest import Durability, OnFull
from edge.wire.messages import Entry, EntryKind
from tests.support.stores import NEVER, killed

LIMIT = 8000
"""Small enough to overflow; its half holds the largest pack below with its overhead."""
APPS = ("flood", "quiet", "third")


class Cloud:
    """Stores what lies above its mark, as decision 3 says."""

    def __init__(self) -> None:
        self.mark = 0
        self.packs: list[bytes] = []
        self.gaps: Counter[str] = Counter()

    def receive(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.seq <= self.mark:
                continue
            self.mark = entry.seq
            if entry.kind is EntryKind.SENML:
                self.packs.append(entry.payload)
            else:
                self.gaps[entry.app] += decode_gap(entry.payload).records


class OutboxMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="outbox-"))
        self.lives = 0
        self.store = self._open(self.root / "0")
        self.cloud = Cloud()
        self.accepted: dict[bytes, tuple[str, int, OnFull]] = {}
        self.sent = 0

    def teardown(self) -> None:
        try:
            self._drain_and_compare()
        finally:
            self.store.close()
            shutil.rmtree(self.root)

    def _drain_and_compare(self) -> None:
        self.flush()
        entries = self.store.outbox.read(self.cloud.mark, 1 << 40, 1 << 40)
        self.cloud.receive(entries)
        assert len(self.cloud.packs) == len(set(self.cloud.packs))
        stored = Counter[str]()
        for pack in self.cloud.packs:
            app, records, _ = self.accepted[pack]
            stored[app] += records
        total = Counter[str]()
        for pack, (app, records, on_full) in self.accepted.items():
            total[app] += records
            assert on_full is OnFull.DROP_OLDEST or pack in self.cloud.packs
        assert stored + self.cloud.gaps == total

    @rule(
        app=st.sampled_from(APPS),
        stream=st.sampled_from("ab"),
        size=st.integers(0, 3000),
        records=st.integers(1, 9),
        durability=st.sampled_from(Durability),
        on_full=st.sampled_from(OnFull),
        repeat=st.integers(1, 4),
    )
    def publish(
        self,
        app: str,
        stream: str,
        size: int,
        records: int,
        durability: Durability,
        on_full: OnFull,
        repeat: int,
    ) -> None:
        for _ in range(repeat):
            pack = len(self.accepted).to_bytes(4, "big") + bytes(size)
            try:
                seq = self.store.outbox.append(
                    app, stream, 1, pack, records, durability=durability, on_full=on_full
                )
            except OutboxFullError:
                assert on_full is OnFull.REFUSE
            else:
                self.accepted[pack] = (app, records, on_full)
                assert (seq > 0) == (durability is Durability.SYNCED)

    @rule()
    def flush(self) -> None:
        self.store.outbox.flush("any", NEVER)

    @rule(count=st.integers(1, 5), arrives=st.booleans())
    def send(self, count: int, arrives: bool) -> None:
        entries = self.store.outbox.read(self.sent, 1 << 20, count)
        assert [entry.seq for entry in entries] == sorted({entry.seq for entry in entries})
        if entries and arrives:
            self.cloud.receive(entries)
            self.sent = entries[-1].seq

    @rule()
    def acknowledge(self) -> None:
        self.store.outbox.trim(self.store.outbox.epoch, self.cloud.mark)
        assert all(entry.seq > self.cloud.mark for entry in self._entries())

    @rule()
    def link_breaks(self) -> None:
        self.sent = self.cloud.mark

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = self._open(self.root / str(self.lives))
        self.sent = self.cloud.mark

    @rule()
    def kill(self) -> None:
        image = killed(self.root / str(self.lives), self.root / str(self.lives + 1))
        self.store.close()
        self.lives += 1
        self.store = self._open(image)
        self.sent = self.cloud.mark

    @invariant()
    def bounds_hold(self) -> None:
        stats = self.store.outbox.stats()
        assert stats.bytes <= LIMIT
        assert all(size <= LIMIT // 2 for size in stats.apps.values())

    @invariant()
    def the_books_are_right(self) -> None:
        charged = Counter[str]()
        for entry in self._entries():
            if entry.kind is EntryKind.SENML:
                charged[entry.app] += len(entry.payload) + OVERHEAD
        assert dict(charged) == self.store.outbox.stats().apps

    def _entries(self) -> list[Entry]:
        """What is held, without marking it as sent."""
        return self.store.outbox._collect(0, 1 << 40, 1 << 40)

    def _open(self, directory: Path) -> Store:
        return Store.open(directory, outbox_limit=LIMIT, sync_interval=NEVER)


TestOutbox = OutboxMachine.TestCase
TestOutbox.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
