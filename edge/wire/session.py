"""The rules of a session, one class for each role; `endpoint` holds what they share.

One step, one status and one log batch are in flight at a time; telemetry is bounded by the window.
Both sides check each rule: the sender raises LocalError, the receiver ends the session.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from edge.wire import limits
from edge.wire.codec import decode_down, decode_up
from edge.wire.desired import Assembly, check_step, split
from edge.wire.endpoint import Endpoint, Handlers, unexpected
from edge.wire.errors import LocalError, NotOpenError, VersionMismatchError
from edge.wire.events import (
    DesiredAcked,
    DesiredResetReceived,
    Event,
    HelloReceived,
    LogsAcked,
    LogsReceived,
    StatusAcked,
    StatusReceived,
    TelemetryAcked,
    TelemetryReceived,
    Welcomed,
)
from edge.wire.messages import (
    CloseCode,
    Desired,
    DesiredAck,
    DesiredItem,
    DesiredReset,
    DownMessage,
    Entry,
    Hello,
    LogLine,
    Logs,
    LogsAck,
    Status,
    StatusAck,
    StatusItem,
    Telemetry,
    TelemetryAck,
    UpMessage,
    Welcome,
)
from edge.wire.state import State
from edge.wire.window import Window, grantable, size_fault


class NodeSession(Endpoint):
    """The node's end: `open`, then whatever `telemetry_room`, `status_idle`, `logs_idle` allow."""

    def __init__(self) -> None:
        super().__init__()
        self._hello: Hello | None = None
        self._epoch: int | None = None
        self._window = Window(0, 0)
        self._assembly = Assembly()
        self._revision: int | None = None
        """The step handed to the owner and not yet answered."""
        self._status: int | None = None
        self._status_id = 0
        self._logs: int | None = None

    def open(self, hello: Hello, now: float) -> None:
        """Say Hello; once, before anything else."""
        if self._hello is not None:
            raise LocalError("the session was opened before; each connection needs its own")
        self._begin(now)
        self._put(hello)
        self._hello = hello

    def start_epoch(self, epoch: int) -> None:
        """Name the epoch that Welcomed.new_epoch asked for; its sequence numbers start anew."""
        self._require_open()
        if self._epoch is not None:
            raise LocalError("the cloud asked for no new epoch")
        if self._hello is not None and epoch == self._hello.epoch:
            raise LocalError(f"epoch: {epoch} is the one to be replaced")
        self._epoch = epoch

    @property
    def status_idle(self) -> bool:
        """A status may be sent: none is in flight."""
        return self.state is State.OPEN and self._status is None

    @property
    def logs_idle(self) -> bool:
        """Log lines may be sent: none are in flight."""
        return self.state is State.OPEN and self._logs is None

    def telemetry_room(self) -> int:
        """Counted bytes (`window.weight`) of entries that may be sent in the next batch."""
        if self.state is not State.OPEN or self._epoch is None:
            return 0
        return min(self._window.room, limits.BATCH_BYTES)

    def send_telemetry(self, entries: Sequence[Entry]) -> None:
        """Send a batch; LocalError when it is over a limit or the room, or its seq not rising."""
        self._require_open()
        if self._epoch is None:
            raise NotOpenError("telemetry waits for start_epoch")
        fault = self._window.fault(entries)
        if fault is not None:
            raise LocalError(fault)
        self._put(Telemetry(epoch=self._epoch, entries=list(entries)))
        self._window.add(entries)

    def send_status(self, items: Sequence[StatusItem], *, whole: bool) -> int:
        """Send observed state, all of it when `whole`; the id that StatusAcked will carry."""
        self._require_open()
        if self._status is not None:
            raise LocalError(f"status {self._status} is still in flight")
        if len(items) > limits.STATUS_ITEMS_LIMIT:
            raise LocalError(f"items: {len(items)} exceed {limits.STATUS_ITEMS_LIMIT}")
        self._put(Status(id=self._status_id + 1, items=list(items), whole=whole))
        self._status_id += 1
        self._status = self._status_id
        return self._status_id

    def send_logs(self, lines: Sequence[LogLine], dropped: int = 0) -> None:
        """Send log lines with rising seq; `dropped` were lost before the first of them."""
        self._require_open()
        if self._logs is not None:
            raise LocalError(f"log lines up to {self._logs} are still in flight")
        fault = _logs_fault(lines)
        if fault is not None:
            raise LocalError(fault)
        self._put(Logs(lines=list(lines), dropped=dropped))
        self._logs = lines[-1].seq

    def ack_desired(self, revision: int) -> None:
        """Say that the step to `revision` is on disk."""
        self._answer_step(revision)
        self._put(DesiredAck(revision=revision))

    def reset_desired(self, revision: int, reason: str) -> None:
        """Refuse the step at hand: this node holds `revision`, which is not its base."""
        self._answer_step(self._revision)
        self._put(DesiredReset(revision=revision, reason=reason[: limits.TEXT_LIMIT]))

    def _answer_step(self, revision: int | None) -> None:
        self._require_open()
        if self._revision is None or revision != self._revision:
            raise LocalError(f"revision: no step to {revision} waits for an answer")
        self._revision = None

    def _on_welcome(self, message: Welcome) -> list[Event]:
        if self._hello is None or self.state is State.OPEN:
            raise unexpected(message, "came without a Hello to answer")
        if not limits.OLDEST_VERSION <= message.version <= limits.VERSION:
            raise VersionMismatchError(f"welcome.version: {message.version} is not spoken here")
        if message.acked_seq > self._hello.last_seq and not message.new_epoch:
            raise unexpected(message, f"acked_seq {message.acked_seq} was never assigned")
        fault = size_fault(message.window)
        if fault is not None:
            raise unexpected(message, fault)
        start = 0 if message.new_epoch else message.acked_seq
        self._window = Window(start, message.window)
        self._epoch = None if message.new_epoch else self._hello.epoch
        self._greeted(message.heartbeat)
        return [Welcomed(message.acked_seq, message.window, message.new_epoch, message.time_ns)]

    def _on_desired(self, message: Desired) -> list[Event]:
        if self._revision is not None:
            raise unexpected(message, f"step to {self._revision} is not answered yet")
        step = self._assembly.add(message)
        if step is None:
            return []
        self._revision = step.revision
        return [step]

    def _on_telemetry_ack(self, message: TelemetryAck) -> list[Event]:
        if message.epoch != self._epoch:
            raise unexpected(message, f"epoch {message.epoch} is not {self._epoch}")
        fault = self._window.ack_fault(message.seq) or size_fault(message.window)
        if fault is not None:
            raise unexpected(message, fault)
        self._window.size = message.window
        self._window.ack(message.seq)
        return [TelemetryAcked(message.epoch, message.seq)]

    def _on_status_ack(self, message: StatusAck) -> list[Event]:
        if message.id != self._status:
            raise unexpected(message, f"id {message.id} is not in flight")
        self._status = None
        return [StatusAcked(message.id)]

    def _on_logs_ack(self, message: LogsAck) -> list[Event]:
        if message.seq != self._logs:
            raise unexpected(message, f"seq {message.seq} is not in flight")
        self._logs = None
        return [LogsAcked(message.seq)]

    def _decode(self, data: bytes) -> DownMessage:
        return decode_down(data)

    _greeting = Welcome
    _handlers: ClassVar[Handlers] = {
        Welcome: _on_welcome,
        Desired: _on_desired,
        TelemetryAck: _on_telemetry_ack,
        StatusAck: _on_status_ack,
        LogsAck: _on_logs_ack,
    }


class CloudSession(Endpoint):
    """The cloud's end of one connection; `now` is when the transport opened."""

    def __init__(self, now: float) -> None:
        super().__init__()
        self._begin(now)
        self._hello: Hello | None = None
        self._version = 0
        self._epoch: int | None = None
        """None until a node that was told to start a new epoch names it."""
        self._window = Window(0, 0)
        self._granted = 0
        """The last window told to the node; `_window.size` is the largest, which it may use
        until it hears of a smaller one."""
        self._desired: int | None = None
        self._status: int | None = None
        self._logs: int | None = None

    @property
    def desired_idle(self) -> bool:
        """A step may be sent: none is in flight."""
        return self.state is State.OPEN and self._desired is None

    def welcome(
        self,
        *,
        acked_seq: int,
        time_ns: int,
        window: int = limits.WINDOW_DEFAULT,
        heartbeat: float = limits.HEARTBEAT,
    ) -> None:
        """Answer Hello: `acked_seq` of the node's epoch is stored (0 for an unknown epoch).

        An `acked_seq` the node says it never assigned makes it start a new epoch.
        """
        hello = self._hello
        if hello is None or self.state is not State.OPENING:
            raise NotOpenError("there is no Hello to answer")
        new_epoch = acked_seq > hello.last_seq
        window = grantable(window)
        self._put(
            Welcome(
                version=self._version,
                time_ns=time_ns,
                acked_seq=acked_seq,
                window=window,
                heartbeat=heartbeat,
                new_epoch=new_epoch,
            )
        )
        self._epoch = None if new_epoch else hello.epoch
        self._window = Window(0 if new_epoch else acked_seq, window)
        self._granted = window
        self._greeted(heartbeat)

    def refuse(self, code: CloseCode, reason: str) -> None:
        """Turn the node away; REFUSED makes it try again seldom, OVERLOAD soon."""
        self.close(code, reason)

    def send_desired(
        self,
        revision: int,
        base: int | None,
        put: Sequence[DesiredItem],
        remove: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Send the step from `base` (None: from nothing) to `revision`, in as many parts as needed.

        LocalError when a step is in flight or this one exceeds DESIRED_LIMIT or DESIRED_BYTES.
        """
        self._require_open()
        if self._desired is not None:
            raise LocalError(f"the step to {self._desired} is still in flight")
        fault = check_step(put, remove)
        if fault is not None:
            raise LocalError(fault)
        self._put(*split(revision, base, put, remove))
        self._desired = revision

    def ack_telemetry(self, epoch: int, seq: int, window: int | None = None) -> None:
        """Say that `epoch` up to `seq` is committed, and grant `window` (None: as before)."""
        self._require_open()
        if epoch != self._epoch:
            raise LocalError(f"epoch: {epoch} is not {self._epoch}")
        fault = self._window.ack_fault(seq)
        if fault is not None:
            raise LocalError(fault)
        if window is not None:
            self._granted = grantable(window)
            self._window.size = max(self._window.size, self._granted)
        self._put(TelemetryAck(epoch=epoch, seq=seq, window=self._granted))
        self._window.ack(seq)

    def ack_status(self, id: int) -> None:  # noqa: A002 - the field's name on the wire
        """Say that the status message is stored."""
        self._require_open()
        if id != self._status:
            raise LocalError(f"id: no status {id} waits for an answer")
        self._put(StatusAck(id=id))
        self._status = None

    def ack_logs(self, seq: int) -> None:
        """Say that the log lines, the last of which is `seq`, are stored."""
        self._require_open()
        if seq != self._logs:
            raise LocalError(f"seq: no log lines up to {seq} wait for an answer")
        self._put(LogsAck(seq=seq))
        self._logs = None

    def _on_hello(self, message: Hello) -> list[Event]:
        if self._hello is not None:
            raise unexpected(message, "came twice")
        oldest, newest = message.versions
        self._version = min(newest, limits.VERSION)
        if self._version < max(oldest, limits.OLDEST_VERSION):
            raise VersionMismatchError(
                f"hello.versions: {oldest}..{newest}, the cloud speaks"
                f" {limits.OLDEST_VERSION}..{limits.VERSION}"
            )
        self._hello = message
        return [HelloReceived(message)]

    def _on_telemetry(self, message: Telemetry) -> list[Event]:
        assumed = self._hello.epoch if self._hello else None
        if self._epoch is None and message.epoch != assumed:
            self._epoch = message.epoch
        if message.epoch != self._epoch:
            raise unexpected(message, f"epoch {message.epoch} is not the one agreed on")
        fault = self._window.fault(message.entries)
        if fault is not None:
            raise unexpected(message, fault)
        self._window.add(message.entries)
        return [TelemetryReceived(message.epoch, tuple(message.entries))]

    def _on_status(self, message: Status) -> list[Event]:
        if self._status is not None:
            raise unexpected(message, f"status {self._status} is not answered yet")
        self._status = message.id
        return [StatusReceived(message.id, tuple(message.items), message.whole)]

    def _on_logs(self, message: Logs) -> list[Event]:
        if self._logs is not None:
            raise unexpected(message, f"lines up to {self._logs} are not answered yet")
        fault = _logs_fault(message.lines)
        if fault is not None:
            raise unexpected(message, fault)
        self._logs = message.lines[-1].seq
        return [LogsReceived(tuple(message.lines), message.dropped)]

    def _on_desired_ack(self, message: DesiredAck) -> list[Event]:
        if message.revision != self._desired:
            raise unexpected(message, f"no step to {message.revision} is in flight")
        self._desired = None
        return [DesiredAcked(message.revision)]

    def _on_desired_reset(self, message: DesiredReset) -> list[Event]:
        if self._desired is None:
            raise unexpected(message, "no step is in flight")
        self._desired = None
        return [DesiredResetReceived(message.revision, message.reason)]

    def _decode(self, data: bytes) -> UpMessage:
        return decode_up(data)

    _greeting = Hello
    _handlers: ClassVar[Handlers] = {
        Hello: _on_hello,
        Telemetry: _on_telemetry,
        Status: _on_status,
        Logs: _on_logs,
        DesiredAck: _on_desired_ack,
        DesiredReset: _on_desired_reset,
    }


def _logs_fault(lines: Sequence[LogLine]) -> str | None:
    if not 1 <= len(lines) <= limits.LOG_BATCH_LIMIT:
        return f"lines: {len(lines)}, a batch has 1 to {limits.LOG_BATCH_LIMIT}"
    if any(after.seq <= before.seq for before, after in pairwise(lines)):
        return "lines: seq does not rise"
    return None
