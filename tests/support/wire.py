"""Building blocks for tests of the wire: valid values, and a pair of sessions joined by a link."""

from collections.abc import Sequence

from edge.wire.events import Event
from edge.wire.messages import DesiredItem, Entry, EntryKind, Hello, LogLine, StatusItem
from edge.wire.session import CloudSession, NodeSession

EPOCH = 7


def hello(*, epoch: int = EPOCH, last_seq: int = 0, revision: int = 0, versions=(1, 1)) -> Hello:
    return Hello(
        versions=versions,
        node="n1",
        boot_id="boot",
        agent="0.1.0",
        epoch=epoch,
        last_seq=last_seq,
        revision=revision,
    )


def entry(seq: int, payload: bytes = b"pack") -> Entry:
    return Entry(
        seq=seq, kind=EntryKind.SENML, app="app", stream="s", time_ns=seq, payload=payload
    )


def item(name: str, size: int = 10, generation: int = 1) -> DesiredItem:
    return DesiredItem(kind="app", name=name, generation=generation, spec=bytes(size))


def status(name: str, content: bytes = b"s") -> StatusItem:
    return StatusItem(kind="app", name=name, generation=1, status=content)


def line(seq: int, text: str = "hello") -> LogLine:
    return LogLine(seq=seq, app="app", level=6, time_ns=seq, text=text)


class Pair:
    """A node's and a cloud's session and what each of them told its owner."""

    def __init__(self, node_hello: Hello | None = None) -> None:
        self.now = 0.0
        self.node = NodeSession()
        self.cloud = CloudSession(self.now)
        self.node_events: list[Event] = []
        self.cloud_events: list[Event] = []
        self.node.open(node_hello or hello(), self.now)
        self.deliver()

    @classmethod
    def open(cls, *, acked_seq: int = 0, node_hello: Hello | None = None, **welcome) -> "Pair":
        pair = cls(node_hello)
        pair.cloud.welcome(acked_seq=acked_seq, time_ns=1, **welcome)
        pair.deliver()
        pair.node_events.clear()
        pair.cloud_events.clear()
        return pair

    def deliver(self) -> None:
        """Carry frames both ways until there are none."""
        while self._up(self.node.outgoing()) + self._down(self.cloud.outgoing()):
            pass

    def to_cloud(self, data: bytes) -> list[Event]:
        self._up([data])
        return self.cloud_events

    def to_node(self, data: bytes) -> list[Event]:
        self._down([data])
        return self.node_events

    def _up(self, frames: Sequence[bytes]) -> int:
        for frame in frames:
            self.cloud_events += self.cloud.receive(frame, self.now)
        return len(frames)

    def _down(self, frames: Sequence[bytes]) -> int:
        for frame in frames:
            self.node_events += self.node.receive(frame, self.now)
        return len(frames)
