"""One node's connection: frames in, the session's events to the stores, frames out.

Rules: the session decides, this performs. Telemetry of a node is stored in the order it came, one
write at a time; status, log lines and steps each have one in flight, so no queue here is longer
than the node's window. An idle connection holds one task (the server's) and one timer.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from cloud.errors import NoRoom
from cloud.hub.items import items_for
from cloud.hub.ports import Ports
from cloud.hub.status import store_status
from edge.wire.errors import NotOpenError
from edge.wire.events import (
    Closed,
    DesiredAcked,
    DesiredResetReceived,
    Event,
    HelloReceived,
    LogsReceived,
    StatusReceived,
    TelemetryReceived,
)
from edge.wire.limits import CLOSE_TIMEOUT
from edge.wire.messages import CloseCode, Entry, Hello
from edge.wire.session import CloudSession
from edge.wire.state import State
from edge.wire.window import weight

COALESCE = 4096
"""Entries of waiting batches stored in one write: a node that catches up pays fewer commits."""
_UNSUPPORTED_DATA = 1003
"""WebSocket close code for a text frame."""

_log = logging.getLogger("skerry.hub")

Greet = Callable[["Connection", Hello], Awaitable[int]]
"""Makes a node known and returns its telemetry mark."""


class Connection:
    """Serves one accepted WebSocket. Concurrency: one event loop."""

    def __init__(
        self, socket: WebSocket, ports: Ports, greet: Greet, identity: str | None = None
    ) -> None:
        """`identity`: the only node this may be, as its certificate says; None: any."""
        self.hello: Hello | None = None
        self.identity = identity
        self.ends_at = math.inf
        """When its certificate ends, in seconds since 1970."""
        self.ended = asyncio.Event()
        self._socket = socket
        self._ports = ports
        self._greet = greet
        self._loop = asyncio.get_running_loop()
        self._session = CloudSession(self._loop.time())
        self._leash = asyncio.timeout(None)
        """Around reading; pulled when the session is over."""
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._sender: asyncio.Task[None] | None = None
        self._batches: deque[TelemetryReceived] = deque()
        self._waiting = 0
        self._storing = False
        self._base: int | None = None
        """Desired revision on the node's disk; None when it must get the whole set."""
        self._stepping = False
        self._step_wanted = False

    @property
    def address(self) -> str:
        """Where the node comes from, as the server saw it."""
        client = self._socket.client
        return client.host if client is not None else ""

    async def run(self) -> None:
        """Serve until the session or the transport ends."""
        self._after()
        try:
            with suppress(TimeoutError):
                async with self._leash:
                    await self._receive()
        finally:
            await self._stop()
            self.ended.set()

    def close(self, code: CloseCode, reason: str) -> None:
        """End the session from this side."""
        self._session.close(code, reason)
        self._after()

    def want_step(self) -> None:
        """The node's desired set may have changed."""
        self._step_wanted = True
        if not self._stepping and self._session.desired_idle:
            self._stepping = True
            self._spawn(self._send_steps())

    # --- frames ----------------------------------------------------------------------------------

    async def _receive(self) -> None:
        while self._session.state is not State.CLOSED:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            data = message.get("bytes")
            if data is None:
                await self._socket.close(_UNSUPPORTED_DATA, "only binary frames are understood")
                return
            self._take(self._session.receive(data, self._loop.time()))

    def _on_timer(self) -> None:
        self._timer = None
        self._take(self._session.handle_timer(self._loop.time()))

    def _take(self, events: list[Event]) -> None:
        for event in events:
            self._perform(event)
        self._after()

    def _after(self) -> None:
        """Whatever the session was told: send what it has to say, be there when it wants."""
        if self._sender is None and (frames := self._session.outgoing()):
            self._sender = self._spawn(self._send(frames))
        deadline = self._session.next_deadline()
        # An armed timer that is too early only looks again: cheaper than a new one each frame.
        if deadline is not None and (self._timer is None or deadline < self._timer.when()):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._on_timer)

    async def _send(self, frames: list[bytes]) -> None:
        try:
            while frames:
                for frame in frames:
                    await self._socket.send_bytes(frame)
                frames = self._session.outgoing()
        except (WebSocketDisconnect, RuntimeError):
            self._pull_leash()  # the transport is gone
        finally:
            self._sender = None

    def _pull_leash(self) -> None:
        with suppress(RuntimeError):  # reading has ended already
            self._leash.reschedule(self._loop.time())

    async def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks - {self._sender}:
            task.cancel()
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                if self._sender is not None:
                    await self._sender
                await self._socket.close()
        for task in self._tasks:
            task.cancel()
        self._ports.credit.waiting -= self._waiting
        self._waiting = 0

    # --- what the session says -------------------------------------------------------------------

    def _perform(self, event: Event) -> None:
        match event:
            case HelloReceived():
                self.hello = event.hello
                self._spawn(self._welcome(event.hello))
            case TelemetryReceived():
                self._queue(event)
            case StatusReceived():
                self._spawn(self._store_status(event))
            case LogsReceived():
                self._spawn(self._store_logs(event))
            case DesiredAcked():
                self._base = event.revision
                self._spawn(self._ports.nodes.holds(self._node, event.revision))
                self.want_step()
            case DesiredResetReceived():
                _log.info("node %s asks for its whole set: %s", self._node, event.reason)
                self._base = None
                self.want_step()
            case Closed():
                self._pull_leash()
            case _:
                pass

    async def _welcome(self, hello: Hello) -> None:
        mark = await self._greet(self, hello)
        self._base = hello.revision
        self._session.welcome(
            acked_seq=mark,
            time_ns=int(self._ports.clock().timestamp() * 1e9),
            window=self._ports.credit.window(),
            heartbeat=self._ports.heartbeat,
        )
        self._after()
        self.want_step()

    def _queue(self, event: TelemetryReceived) -> None:
        self._batches.append(event)
        self._count(sum(map(weight, event.entries)))
        if not self._storing:
            self._storing = True
            self._spawn(self._store_telemetry())

    async def _store_telemetry(self) -> None:
        try:
            while self._batches:
                epoch, entries = self._next_entries()
                await self._ports.telemetry.ingest(self._node, epoch, entries)
                self._count(-sum(map(weight, entries)))
                window = self._ports.credit.window()
                self._session.ack_telemetry(epoch, entries[-1].seq, window)
                self._after()
        finally:
            self._storing = False

    def _next_entries(self) -> tuple[int, list[Entry]]:
        epoch = self._batches[0].epoch
        entries: list[Entry] = []
        while self._batches and self._batches[0].epoch == epoch and len(entries) < COALESCE:
            entries += self._batches.popleft().entries
        return epoch, entries

    def _count(self, weights: int) -> None:
        self._waiting += weights
        self._ports.credit.waiting += weights

    async def _store_status(self, event: StatusReceived) -> None:
        await store_status(self._ports.objects, self._node, event.items, self._ports.clock)
        self._session.ack_status(event.id)
        self._after()

    async def _store_logs(self, event: LogsReceived) -> None:
        assert self.hello is not None  # noqa: S101 - the session is open
        await self._ports.logs.ingest(self._node, self.hello.boot_id, event.lines, event.dropped)
        self._session.ack_logs(event.lines[-1].seq)
        self._after()

    # --- steps -----------------------------------------------------------------------------------

    async def _send_steps(self) -> None:
        try:
            while self._step_wanted and self._session.desired_idle:
                self._step_wanted = False
                step = self._ports.index.step(self._node, self._base)
                if step is None or (self._base == 0 and not step.put and not step.remove):
                    continue
                ports = self._ports
                items = await items_for(ports.objects, ports.vault, self._node, step.put)
                if self._session.desired_idle:
                    self._session.send_desired(step.revision, step.base, items, step.remove)
                    self._after()
        finally:
            self._stepping = False

    # --- tasks -----------------------------------------------------------------------------------

    @property
    def _node(self) -> str:
        return self.hello.node if self.hello is not None else ""

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """A failure ends this connection, and only this one; the node sends again what is lost."""
        try:
            await work
        except NotOpenError:
            _log.debug("the session of %s ended meanwhile", self._node)
        except NoRoom as error:
            _log.error("node %s: %s", self._node, error)
            self.close(CloseCode.OVERLOAD, "the cloud's disk is full; try again")
        except Exception:  # noqa: BLE001 - logged; the node sends again
            _log.exception("node %s: what it sent could not be handled", self._node)
            self.close(CloseCode.OVERLOAD, "the cloud could not store it; try again")
