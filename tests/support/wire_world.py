"""A node and a cloud as models with disks, joined by real sessions over a link that tests control.

What a SIGKILL takes is volatile, what it leaves is on a disk; both are plain attributes here.
"""

from collections import deque
from dataclasses import dataclass, field

from edge.wire import limits
from edge.wire.events import (
    Closed,
    DesiredAcked,
    DesiredResetReceived,
    DesiredStep,
    HelloReceived,
    StatusAcked,
    StatusReceived,
    TelemetryAcked,
    TelemetryReceived,
    Welcomed,
)
from edge.wire.messages import Entry
from edge.wire.session import CloudSession, NodeSession
from edge.wire.state import State
from tests.support.wire import entry, hello, item, status

WINDOW = limits.WINDOW_MIN
PACK = 20_000
"""Bytes of a record here: three fill the window."""


@dataclass
class NodeDisk:
    epoch: int = 1
    seq: int = 0
    entries: list[Entry] = field(default_factory=list)
    revision: int = 0
    desired: dict[str, int] = field(default_factory=dict)


class Node:
    """The agent: its disk, and what a kill would take from it."""

    def __init__(self) -> None:
        self.disk = NodeDisk()
        self.relaxed: list[int] = []
        self.health = 0
        self.start()

    def start(self) -> None:
        self.relaxed.clear()
        self.session: NodeSession | None = None
        self.sent = 0
        self.steps: deque[DesiredStep] = deque()
        self.told: int | None = None

    def keep(self, record: int) -> None:
        """Put a record on the disk."""
        self.disk.seq += 1
        payload = record.to_bytes(4, "big") + bytes(PACK)
        self.disk.entries.append(entry(self.disk.seq, payload))

    def sync(self) -> list[int]:
        """Put relaxed records on the disk; those that are safe now."""
        safe, self.relaxed = self.relaxed, []
        for record in safe:
            self.keep(record)
        return safe

    def connect(self, now: float) -> NodeSession:
        self.start_of_session()
        self.session = NodeSession()
        self.session.open(
            hello(epoch=self.disk.epoch, last_seq=self.disk.seq, revision=self.disk.revision), now
        )
        return self.session

    def start_of_session(self) -> None:
        self.sent = 0
        self.steps.clear()
        self.told = None

    def take(self, events: list) -> None:
        for event in events:
            match event:
                case Welcomed(acked_seq=seq):
                    assert not event.new_epoch
                    self.trim(seq)
                    self.sent = seq
                case TelemetryAcked(epoch=epoch, seq=seq):
                    assert epoch == self.disk.epoch
                    self.trim(seq)
                case DesiredStep():
                    self.steps.append(event)
                case Closed():
                    self.session = None
                case StatusAcked():
                    pass

    def trim(self, seq: int) -> None:
        self.disk.entries = [each for each in self.disk.entries if each.seq > seq]

    def pump(self, count: int) -> None:
        """Send at most `count` entries, as the window allows, and the status when it changed."""
        session = self.session
        if session is None or session.state is not State.OPEN:
            return
        room = session.telemetry_room()
        batch = [each for each in self.disk.entries if each.seq > self.sent][:count]
        while batch and sum(len(e.payload) + limits.ENTRY_OVERHEAD for e in batch) > room:
            batch.pop()
        if batch:
            session.send_telemetry(batch)
            self.sent = batch[-1].seq
        if session.status_idle and self.told != self.health:
            session.send_status([status("a", self.health.to_bytes(4, "big"))], whole=True)
            self.told = self.health

    def apply(self, *, acknowledge: bool = True) -> None:
        """Persist the step at hand; without acknowledging, as when killed in between."""
        if not self.steps:
            return
        step = self.steps.popleft()
        disk = self.disk
        if step.base not in {None, disk.revision}:
            if acknowledge and self.session is not None:
                self.session.reset_desired(disk.revision, "another base")
            return
        desired = {} if step.base is None else dict(disk.desired)
        for _, name in step.remove:
            desired.pop(name, None)
        for each in step.put:
            desired[each.name] = each.generation
        disk.desired, disk.revision = desired, step.revision
        if acknowledge and self.session is not None:
            self.session.ack_desired(step.revision)


@dataclass
class Link:
    """One connection: frames on their way, in order, and what the cloud took but did not store."""

    node: NodeSession | None
    cloud: CloudSession
    up: deque[bytes] = field(default_factory=deque)
    down: deque[bytes] = field(default_factory=deque)
    received: deque[TelemetryReceived] = field(default_factory=deque)
    held: int = 0
    """Desired revision the node is known to hold."""


@dataclass
class CloudDisk:
    rows: list[int] = field(default_factory=list)
    """Records, in the order in which they were stored."""
    marks: dict[int, int] = field(default_factory=dict)
    revision: int = 0
    wanted: dict[str, int] = field(default_factory=dict)
    health: int = -1


class Cloud:
    """The service: its disk, its connections, and its memory of earlier revisions."""

    def __init__(self) -> None:
        self.disk = CloudDisk()
        self.history: dict[int, dict[str, int]] = {0: {}}

    def restart(self) -> None:
        self.history = {self.disk.revision: dict(self.disk.wanted)}

    def want(self, name: str, *, present: bool) -> None:
        disk = self.disk
        disk.revision += 1
        if present:
            disk.wanted[name] = disk.revision
        else:
            disk.wanted.pop(name, None)
        self.history[disk.revision] = dict(disk.wanted)

    def take(self, link: Link, events: list) -> None:
        for event in events:
            match event:
                case HelloReceived(hello=said):
                    link.held = said.revision
                    mark = self.disk.marks.get(said.epoch, 0)
                    link.cloud.welcome(acked_seq=mark, time_ns=1, window=WINDOW)
                case TelemetryReceived():
                    link.received.append(event)
                case StatusReceived(id=number, items=(told,)):
                    self.disk.health = int.from_bytes(told.status, "big")
                    link.cloud.ack_status(number)
                case DesiredAcked(revision=revision) | DesiredResetReceived(revision=revision):
                    link.held = revision

    def store(self, link: Link, *, acknowledge: bool = True) -> None:
        """Commit the oldest batch with its mark; without acknowledging, as when cut in between."""
        if not link.received:
            return
        batch = link.received.popleft()
        mark = self.disk.marks.get(batch.epoch, 0)
        for each in batch.entries:
            if each.seq > mark:
                self.disk.rows.append(int.from_bytes(each.payload[:4], "big"))
        self.disk.marks[batch.epoch] = max(mark, batch.entries[-1].seq)
        if acknowledge and link.cloud.state is State.OPEN:
            link.cloud.ack_telemetry(batch.epoch, batch.entries[-1].seq)

    def steer(self, link: Link) -> None:
        """Send the next step towards what is wanted, as a difference where the base is known."""
        if not link.cloud.desired_idle or link.held == self.disk.revision:
            return
        wanted, base = self.disk.wanted, self.history.get(link.held)
        if base is None:
            put, remove = wanted, []
        else:
            put = {name: at for name, at in wanted.items() if base.get(name) != at}
            remove = [("app", name) for name in base if name not in wanted]
        link.cloud.send_desired(
            self.disk.revision,
            None if base is None else link.held,
            [item(name, generation=at) for name, at in put.items()],
            remove,
        )
