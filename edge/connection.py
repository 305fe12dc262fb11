"""One connection to the cloud: a NodeSession pumped by tasks that sleep until there is work.

Nothing polls. What may wait for the disk (outbox, desired set) runs on threads, because one fsync
of an SD card can take a second and the heartbeats must go on; statuses and log lines are in memory
and are read on the loop.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from edge.net.errors import NetError
from edge.net.websocket import WebSocket
from edge.pacing import Pacing, StatusPace
from edge.store.errors import BaseMismatchError
from edge.wake import Wake
from edge.wire import limits
from edge.wire.events import (
    Closed,
    DesiredStep,
    Event,
    LogsAcked,
    StatusAcked,
    TelemetryAcked,
    Welcomed,
)
from edge.wire.messages import CloseCode, Entry, Hello, LogLine, StatusItem
from edge.wire.session import NodeSession
from edge.wire.state import State
from edge.wire.window import weight

FLUSH_TIMEOUT = 2.0
"""Seconds for the last frames, Close among them, to leave."""

STATUS_OVERHEAD = 256
"""Bytes reserved for a status beside its content: two names, a number and their keys."""


class OutboxPort(Protocol):
    """What is needed of the outbox; called on threads."""

    def read(self, after: int, max_bytes: int, max_entries: int) -> Sequence[Entry]:
        """Entries above `after`, oldest first; at least one when there is any."""
        ...

    def trim(self, epoch: int, seq: int) -> None:
        """Delete entries up to `seq` of `epoch`: the cloud holds them."""
        ...

    def new_epoch(self) -> int:
        """Start and name another epoch; entries are read again from the first."""
        ...

    def subscribe(self, callback: Callable[[], None], /) -> Callable[[], None]:
        """Call `callback` on any thread when there are new entries; returns how to stop it."""
        ...


class LogPort(Protocol):
    """What is needed of the log buffer; called on the loop."""

    def read(self, limit: int = ...) -> tuple[list[LogLine], int]:
        """The oldest lines not acknowledged, and how many were lost before them."""
        ...

    def ack(self, seq: int, dropped: int = ...) -> None:
        """Lines up to `seq` are stored, and `dropped` lost ones told."""
        ...

    def subscribe(self, listener: Callable[[], None], /) -> Callable[[], None]:
        """Call `listener` on any thread after each line; returns how to stop it."""
        ...


class UplinkPorts(Protocol):
    """What the uplink needs of the agent."""

    @property
    def outbox(self) -> OutboxPort:
        """Telemetry to send."""
        ...

    @property
    def logs(self) -> LogPort:
        """Log lines to send."""
        ...

    def hello(self) -> Hello:
        """Who this node is and what it holds now; called on a thread."""
        ...

    def statuses(self) -> Sequence[StatusItem]:
        """Every object's status now; called on the loop, must not block."""
        ...

    async def apply(self, step: DesiredStep) -> int:
        """Persist the step, then act on it; the revision held. Raises BaseMismatchError."""
        ...


@dataclass(slots=True)
class Wakes:
    """What can wake a connection; they outlive it."""

    telemetry: Wake = field(default_factory=Wake)
    status: Wake = field(default_factory=Wake)
    logs: Wake = field(default_factory=Wake)


class Connection:
    """Runs once, on one loop."""

    def __init__(
        self, socket: WebSocket, ports: UplinkPorts, wakes: Wakes, opened: Callable[[int], None]
    ) -> None:
        """`opened` is called with the cloud's time, ns since 1970 UTC."""
        self._socket = socket
        self._ports = ports
        self._wakes = wakes
        self._opened = opened
        self._loop = asyncio.get_running_loop()
        self._session = NodeSession()
        self._ended: asyncio.Future[Closed] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._flush = asyncio.Event()
        self._steps: asyncio.Queue[DesiredStep] = asyncio.Queue(1)  # one is in flight at a time
        self._acks: asyncio.Queue[TelemetryAcked] = asyncio.Queue(1)
        self._pacing = Pacing()
        self._epoch = 0
        self._sent = self._acked = 0
        self._drained = False
        """The last read took all there was."""
        self._reported: dict[tuple[str, str], StatusItem] | None = None
        """Statuses sent on this connection; None before the first, which is the whole."""
        self._lines = (0, 0)
        """Last line and number of lost ones in flight."""

    async def run(self) -> Closed:
        """Say Hello and pump until the session ends; how it ended.

        A broken connection ends as TIMEOUT. Errors of the ports come out in an ExceptionGroup.
        """
        self._socket.on_bytes = lambda: self._session.heard(self._loop.time())
        try:
            hello = await asyncio.to_thread(self._ports.hello)
            self._epoch = hello.epoch
            self._session.open(hello, self._loop.time())
            self._moved()
            async with asyncio.TaskGroup() as group:
                pumps = (
                    self._receive(),
                    self._send(),
                    self._send_telemetry(),
                    self._send_statuses(),
                    self._send_logs(),
                    self._apply_steps(),
                    self._trim(),
                )
                tasks = [group.create_task(pump) for pump in pumps]
                closed = await self._ended
                for task in tasks:
                    task.cancel()
            await self._send_rest()
            return closed
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._socket.abort()

    def close(self, reason: str) -> None:
        """End the session politely; `run` returns soon."""
        self._session.close(CloseCode.NORMAL, reason)
        self._moved()

    # --- the socket ----------------------------------------------------------------------------

    async def _receive(self) -> None:
        try:
            while (data := await self._socket.receive(limits.FRAME_LIMIT)) is not None:
                await self._handle(self._session.receive(data, self._loop.time()))
                self._moved()
            self._finish(Closed(CloseCode.TIMEOUT, "the cloud hung up", by_peer=True))
        except NetError as error:
            self._finish(Closed(CloseCode.TIMEOUT, str(error), by_peer=False))

    async def _send(self) -> None:
        try:
            while True:
                await self._flush.wait()
                self._flush.clear()
                for frame in self._session.outgoing():
                    await self._socket.send(frame)
        except NetError:
            return  # the receiver learns why, perhaps from a Close that is still to be read

    async def _send_rest(self) -> None:
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT):
                for frame in self._session.outgoing():
                    await self._socket.send(frame)
                await self._socket.close()
        except (NetError, TimeoutError):
            return  # the session is over either way

    def _moved(self) -> None:
        """The session changed: send what it has and set its timer."""
        self._flush.set()
        deadline = self._session.next_deadline()
        if self._timer is not None:
            if deadline is not None and self._timer.when() <= deadline:
                return  # it will look again by itself
            self._timer.cancel()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        for event in self._session.handle_timer(self._loop.time()):
            if isinstance(event, Closed):
                self._finish(event)
        self._moved()

    def _finish(self, closed: Closed) -> None:
        if not self._ended.done():
            self._ended.set_result(closed)

    # --- what comes down -----------------------------------------------------------------------

    async def _handle(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case Welcomed():
                    await self._on_welcome(event)
                case DesiredStep():
                    self._steps.put_nowait(event)
                case TelemetryAcked():
                    self._on_telemetry_acked(event)
                case StatusAcked():
                    self._wakes.status.set()
                case LogsAcked():
                    self._ports.logs.ack(*self._lines)
                    self._wakes.logs.set()
                case Closed():
                    self._finish(event)
                case _:
                    pass

    async def _on_welcome(self, event: Welcomed) -> None:
        if event.new_epoch:
            self._epoch = await asyncio.to_thread(self._ports.outbox.new_epoch)
            self._session.start_epoch(self._epoch)
        else:
            self._on_telemetry_acked(TelemetryAcked(self._epoch, event.acked_seq))
        self._opened(event.time_ns)
        for wake in (self._wakes.telemetry, self._wakes.status, self._wakes.logs):
            wake.set()

    def _on_telemetry_acked(self, event: TelemetryAcked) -> None:
        self._pacing.acked(event.seq, self._loop.time())
        self._acked = event.seq
        self._sent = max(self._sent, event.seq)
        if self._acks.full():
            self._acks.get_nowait()  # the newer one says more
        self._acks.put_nowait(event)
        self._wakes.telemetry.set()

    async def _apply_steps(self) -> None:
        while True:
            step = await self._steps.get()
            try:
                revision = await self._ports.apply(step)
            except BaseMismatchError as error:
                if self._session.state is State.OPEN:
                    self._session.reset_desired(error.held, str(error))
            else:
                if self._session.state is State.OPEN:
                    self._session.ack_desired(revision)
            self._moved()

    async def _trim(self) -> None:
        while True:
            acked = await self._acks.get()
            await asyncio.to_thread(self._ports.outbox.trim, acked.epoch, acked.seq)

    # --- what goes up --------------------------------------------------------------------------

    async def _send_telemetry(self) -> None:
        while True:
            await self._wakes.telemetry.wait()
            while await self._send_batch():
                pass

    async def _send_batch(self) -> bool:
        """Send one batch; False when the window, the outbox or the pace says to wait.

        What comes in while the last small batch is on its way waits for its acknowledgement, so
        that a busy node sends a few full batches instead of very many small ones.
        """
        size = min(self._session.telemetry_room(), self._pacing.size)
        if size == 0 or (self._drained and self._sent > self._acked):
            return False
        entries = await asyncio.to_thread(
            self._ports.outbox.read, self._sent, size, limits.BATCH_ENTRIES_LIMIT
        )
        batch = _fitting(entries, self._session.telemetry_room())
        if not batch:
            return False
        self._drained = sum(map(weight, batch)) < size // 2
        self._session.send_telemetry(batch)
        self._sent = batch[-1].seq
        self._pacing.sent(self._sent, self._loop.time())
        self._moved()
        return True

    async def _send_statuses(self) -> None:
        pace = StatusPace(self._loop.time())
        while True:
            await self._wakes.status.wait()
            if not self._session.status_idle:
                continue  # the acknowledgement wakes again
            await asyncio.sleep(pace.wait(self._loop.time()))
            items, whole = self._unsent_statuses()
            if items or whole:
                self._session.send_status(items, whole=whole)
                pace.sent(self._loop.time())
            self._moved()

    def _unsent_statuses(self) -> tuple[list[StatusItem], bool]:
        """What the next message shall say, taken as said, and whether that is everything."""
        now = {(item.kind, item.name): item for item in self._ports.statuses()}
        before = self._reported or {}
        gone = self._reported is None or before.keys() - now.keys()
        if gone and _head(now.values()) == len(now):
            self._reported = now
            return list(now.values()), True
        changed = [item for key, item in now.items() if before.get(key) != item]
        changed = changed[: _head(changed)]
        self._reported = before | {(item.kind, item.name): item for item in changed}
        return changed, False

    async def _send_logs(self) -> None:
        while True:
            await self._wakes.logs.wait()
            if not self._session.logs_idle:
                continue  # the acknowledgement wakes again
            lines, dropped = self._ports.logs.read(limits.LOG_BATCH_LIMIT)
            if lines:
                self._session.send_logs(lines, dropped)
                self._lines = (lines[-1].seq, dropped)
                self._moved()


def _head(items: Iterable[StatusItem]) -> int:
    """How many of the first statuses fit one message; of too many, the rest follows as changes."""
    count = size = 0
    for item in items:
        size += len(item.status) + STATUS_OVERHEAD
        if count == limits.STATUS_ITEMS_LIMIT or size > limits.FRAME_LIMIT:
            break
        count += 1
    return count


def _fitting(entries: Sequence[Entry], room: int) -> list[Entry]:
    """The longest head of `entries` that counts at most `room` bytes."""
    fitting: list[Entry] = []
    for entry in entries:
        room -= weight(entry)
        if room < 0:
            break
        fitting.append(entry)
    return fitting
