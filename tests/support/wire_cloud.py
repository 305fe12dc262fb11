"""A cloud on a loopback socket, made of CloudSession and wsproto, that can misbehave."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
)

from edge.wire import limits
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
from edge.wire.messages import CloseCode, DesiredItem, Entry, Hello, LogLine, StatusItem
from edge.wire.session import CloudSession

PATIENCE = 20.0
"""Seconds until a test that waits for something fails."""


class WireCloud:
    """What nodes sent, kept by the rules of the protocol; attributes switch misbehaviours on."""

    def __init__(self) -> None:
        self.hellos: list[Hello] = []
        self.entries: list[Entry] = []
        self.batches = 0
        self.marks: dict[int, int] = {}
        self.statuses: dict[str, StatusItem] = {}
        self.status_messages = 0
        self.lines: list[LogLine] = []
        self.lost_lines = 0
        self.held: int | None = None
        self.resets: list[str] = []
        self.ends: list[Closed] = []
        self.connections = 0
        self.link_errors: list[str] = []
        """For the test to note what the node's link shows."""

        self.refuse_with: tuple[CloseCode, str] | None = None
        self.reject_upgrade: int | None = None
        self.heartbeat = limits.HEARTBEAT
        self.window = limits.WINDOW_DEFAULT
        self.forget_mark = False
        """Say in Welcome that nothing is stored, so that the node sends all of it again."""
        self.cuts: list[int] = []
        """Hang up on the next connections after reading so many bytes, wherever that falls."""
        self.cut_before_ack = 0
        """So many times: store a batch, then hang up instead of acknowledging it."""
        self.read_size = 65536
        self.silent = False
        """Read, but never answer."""
        self.reading = asyncio.Event()
        self.reading.set()
        self.storing = asyncio.Event()
        self.storing.set()

        self._server: asyncio.Server | None = None
        self._peers: set[_Peer] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def peer(self) -> "_Peer":
        """The one connected node."""
        [peer] = self._peers
        return peer

    def seqs(self) -> list[int]:
        return [entry.seq for entry in self.entries]

    async def until(self, condition: Callable[[], object]) -> None:
        """Return when `condition` holds; it is asked after everything that happens here."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: bool(condition()))

    async def happened(self) -> None:
        """Ask the conditions again."""
        async with self._changed:
            self._changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        peer = _Peer(self, reader, writer)
        self._peers.add(peer)
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                await peer.run()
        finally:
            writer.transport.abort()
            self._peers.discard(peer)
            self._tasks.discard(task)
            await self.happened()


class _Peer:
    def __init__(
        self, cloud: WireCloud, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.cloud = cloud
        self.session = CloudSession(asyncio.get_running_loop().time())
        self._reader = reader
        self._writer = writer
        self._protocol = WSConnection(ConnectionType.SERVER)
        self._message = bytearray()
        self._left = cloud.cuts.pop(0) if cloud.cuts else None

    async def run(self) -> None:
        while data := await self._read():
            self._protocol.receive_data(data)
            for event in self._protocol.events():
                if not await self._on_event(event):
                    return
            await self.cloud.happened()

    async def desire(
        self, revision: int, base: int | None, put: list[DesiredItem], remove=()
    ) -> None:
        self.session.send_desired(revision, base, put, remove)
        await self.flush()

    async def close(self, code: CloseCode, reason: str) -> None:
        self.session.close(code, reason)
        await self.flush()

    async def send_raw(self, data: bytes) -> None:
        """Bytes of our own making as one binary message."""
        self._writer.write(self._protocol.send(BytesMessage(data=data)))
        await self._writer.drain()

    async def send_bytes(self, data: bytes) -> None:
        """Bytes of our own making in place of WebSocket frames."""
        self._writer.write(data)
        await self._writer.drain()

    def cut(self) -> None:
        self._writer.transport.abort()

    async def flush(self) -> None:
        if not self.cloud.silent:
            for frame in self.session.outgoing():
                self._writer.write(self._protocol.send(BytesMessage(data=frame)))
            await self._writer.drain()

    async def _read(self) -> bytes:
        await self.cloud.reading.wait()
        if self._left is None:
            return await self._reader.read(self.cloud.read_size)
        data = await self._reader.read(min(self._left, self.cloud.read_size))
        self._left -= len(data)
        if self._left == 0:
            self.cut()
        return data

    async def _on_event(self, event) -> bool:
        match event:
            case Request():
                return await self._upgrade(event)
            case BytesMessage():
                self._message += event.data
                if event.message_finished:
                    data, self._message = bytes(self._message), bytearray()
                    now = asyncio.get_running_loop().time()
                    for told in self.session.receive(data, now):
                        if not await self._take(told):
                            return False
                    await self.flush()
            case Ping():
                self._writer.write(self._protocol.send(event.response()))
            case CloseConnection():
                return False
        return True

    async def _upgrade(self, request: Request) -> bool:
        if self.cloud.reject_upgrade is not None:
            rejection = RejectConnection(status_code=self.cloud.reject_upgrade)
            self._writer.write(self._protocol.send(rejection))
            await self._writer.drain()
            return False
        assert request.target == "/connect/v1alpha1"
        answer = AcceptConnection(subprotocol=request.subprotocols[0])
        self._writer.write(self._protocol.send(answer))
        return True

    async def _take(self, event: Event) -> bool:
        """False: hang up."""
        cloud = self.cloud
        match event:
            case HelloReceived(hello=said):
                cloud.hellos.append(said)
                self._answer(said)
            case TelemetryReceived():
                await cloud.storing.wait()
                cloud.batches += 1
                mark = cloud.marks.get(event.epoch, 0)
                cloud.entries += [entry for entry in event.entries if entry.seq > mark]
                cloud.marks[event.epoch] = max(mark, event.entries[-1].seq)
                if cloud.cut_before_ack:
                    cloud.cut_before_ack -= 1
                    return False
                self.session.ack_telemetry(event.epoch, event.entries[-1].seq)
            case StatusReceived():
                if event.whole:
                    cloud.statuses.clear()
                cloud.statuses |= {item.name: item for item in event.items}
                cloud.status_messages += 1
                self.session.ack_status(event.id)
            case LogsReceived():
                cloud.lines += event.lines
                cloud.lost_lines += event.dropped
                self.session.ack_logs(event.lines[-1].seq)
            case DesiredAcked(revision=revision):
                cloud.held = revision
            case DesiredResetReceived(revision=revision, reason=reason):
                cloud.held = revision
                cloud.resets.append(reason)
            case Closed():
                cloud.ends.append(event)
        return True

    def _answer(self, said: Hello) -> None:
        cloud = self.cloud
        if cloud.refuse_with is not None:
            self.session.refuse(*cloud.refuse_with)
            return
        self.session.welcome(
            acked_seq=0 if cloud.forget_mark else cloud.marks.get(said.epoch, 0),
            time_ns=1,
            window=cloud.window,
            heartbeat=cloud.heartbeat,
        )
