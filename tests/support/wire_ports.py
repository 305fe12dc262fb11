"""An agent as the uplink sees it, in memory; the outbox keeps the store's promises."""

import threading
from collections.abc import Callable, Sequence

from edge.logbuffer import LogBuffer
from edge.store.errors import BaseMismatchError
from edge.wire.events import DesiredStep
from edge.wire.messages import Entry, Hello, StatusItem
from tests.support.wire import entry, hello


class MemoryOutbox:
    """Any thread may call, as with the real one."""

    def __init__(self, epoch: int = 7) -> None:
        self.epoch = epoch
        self.last_seq = 0
        self.entries: list[Entry] = []
        self.emptied = threading.Event()
        self._listeners: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def append(self, *payloads: bytes) -> None:
        with self._lock:
            for payload in payloads:
                self.last_seq += 1
                self.entries.append(entry(self.last_seq, payload))
        for listener in list(self._listeners):
            listener()

    def read(self, after: int, max_bytes: int, max_entries: int) -> Sequence[Entry]:
        found: list[Entry] = []
        with self._lock:
            for each in self.entries:
                if each.seq <= after:
                    continue
                max_bytes -= len(each.payload)
                if len(found) == max_entries or (found and max_bytes < 0):
                    break
                found.append(each)
        return found

    def trim(self, epoch: int, seq: int) -> None:
        with self._lock:
            if epoch == self.epoch:
                self.entries = [each for each in self.entries if each.seq > seq]
            if not self.entries:
                self.emptied.set()

    def new_epoch(self) -> int:
        self.epoch += 1
        return self.epoch

    def subscribe(self, callback: Callable[[], None], /) -> Callable[[], None]:
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)


class MemoryPorts:
    """A node with a status per app and a desired set."""

    def __init__(self) -> None:
        self.outbox = MemoryOutbox()
        self.logs = LogBuffer()
        self.current: dict[str, StatusItem] = {}
        self.revision = 0
        self.desired: dict[str, bytes] = {}
        self.broken: Exception | None = None

    def hello(self) -> Hello:
        return hello(
            epoch=self.outbox.epoch, last_seq=self.outbox.last_seq, revision=self.revision
        )

    def statuses(self) -> Sequence[StatusItem]:
        return list(self.current.values())

    async def apply(self, step: DesiredStep) -> int:
        if self.broken is not None:
            raise self.broken
        if step.base is None:
            self.desired = {}
        elif step.base != self.revision:
            raise BaseMismatchError(self.revision, step.base)
        for _, name in step.remove:
            self.desired.pop(name, None)
        self.desired |= {each.name: each.spec for each in step.put}
        self.revision = step.revision
        return self.revision
