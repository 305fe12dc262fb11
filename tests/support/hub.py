"""The hub on a real socket with real stores, and nodes that speak through the real session."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wsproto
from starlette.applications import Starlette
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    RejectConnection,
    Request,
)

from cloud.clock import utc_now
from cloud.hub.hub import Hub, running_hub
from cloud.hub.nodes import Nodes
from cloud.hub.ports import Ports
from cloud.kinds.appinstance import AppInstance, AppInstanceSpec
from cloud.kinds.meta import Metadata
from cloud.kinds.work import instance_name
from cloud.metrics import Metrics
from cloud.service import SCHEME
from cloud.store.database import Database
from cloud.store.objects import Objects
from cloud.telemetry.logs import LogStore
from cloud.telemetry.store import TelemetryStore
from cloud.vault import Vault
from edge.keyholder import FileKey
from edge.wire.events import Closed, Event, Welcomed
from edge.wire.messages import Hello
from edge.wire.session import NodeSession
from tests.support.data import database_at
from tests.support.serving import serving
from tests.support.specs import desired_app


def hello(node: str = "n1", **fields: Any) -> Hello:
    values = {"boot_id": "boot", "agent": "0.1.0", "epoch": 1, "last_seq": 0, "revision": 0}
    return Hello(versions=(1, 1), node=node, **{**values, **fields})


class WireNode:
    """A node's session on a real WebSocket; frames move only while something is awaited."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.session = NodeSession()
        self.events: list[Event] = []
        self._reader, self._writer = reader, writer
        self._gone: ConnectionError | None = None
        self._socket = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)

    @classmethod
    async def dial(cls, port: int, protocols: tuple[str, ...] = ("skerry.v1",)) -> "WireNode":
        node = cls(*await asyncio.open_connection("127.0.0.1", port))
        request = Request(host="cloud", target="/connect/v1alpha1", subprotocols=list(protocols))
        node._writer.write(node._socket.send(request))
        async for event in node._frames():
            if isinstance(event, RejectConnection):
                await node.leave()
                raise ConnectionRefusedError(event.status_code)
            if isinstance(event, AcceptConnection):
                break
        return node

    async def join(self, greeting: Hello) -> Welcomed:
        self.session.open(greeting, asyncio.get_running_loop().time())
        return await self.event(Welcomed)

    async def event(self, kind: type[Any]) -> Any:
        """The next event of that kind; earlier ones of other kinds stay in `events`."""
        async with asyncio.timeout(10):
            while not (found := [each for each in self.events if isinstance(each, kind)]):
                if self._gone is not None:
                    raise self._gone
                await self._turn()
        self.events.remove(found[0])
        return found[0]

    async def closed(self) -> Closed:
        return await self.event(Closed)

    async def send_raw(self, data: bytes | str) -> None:
        kind = BytesMessage if isinstance(data, bytes) else wsproto.events.TextMessage
        self._writer.write(self._socket.send(kind(data=data)))
        await self._writer.drain()

    async def flush(self) -> None:
        for frame in self.session.outgoing():
            self._writer.write(self._socket.send(BytesMessage(data=frame)))
        await self._writer.drain()

    def hang_up(self) -> None:
        self._writer.transport.abort()

    async def leave(self) -> None:
        self.hang_up()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _turn(self) -> None:
        await self.flush()
        async for event in self._frames():
            if isinstance(event, CloseConnection):
                self._gone = ConnectionResetError(event.code)
            if isinstance(event, BytesMessage):
                now = asyncio.get_running_loop().time()
                self.events += self.session.receive(bytes(event.data), now)
        if self._gone is None:
            await self.flush()

    async def _frames(self) -> AsyncIterator[wsproto.events.Event]:
        data = await self._reader.read(1 << 16)
        if not data:
            self._gone = self._gone or ConnectionResetError()
            return
        self._socket.receive_data(data)
        for event in self._socket.events():
            yield event


@dataclass
class HubService:
    """A running hub and what it works with."""

    hub: Hub
    objects: Objects
    database: Database
    ports: Ports
    metrics: Metrics
    port: int
    nodes: list[WireNode] = field(default_factory=list)

    async def dial(self) -> WireNode:
        node = await WireNode.dial(self.port)
        self.nodes.append(node)
        return node

    async def join(self, greeting: Hello | None = None) -> WireNode:
        node = await self.dial()
        await node.join(greeting or hello())
        return node

    async def want(self, app: str = "thermometer", node: str = "n1", **spec: Any) -> AppInstance:
        instance = AppInstance(
            metadata=Metadata(name=instance_name(app, node)),
            spec=AppInstanceSpec(app=app, node=node, desired=desired_app(app, **spec)),
        )
        return await self.objects.create(instance)

    async def until(self, type_: Any, name: str, holds: Callable[[Any], bool]) -> Any:
        """The object once `holds` is true of it; it is looked at after each change."""
        async with asyncio.timeout(10):
            while True:
                changed = self.objects.head
                found = await self.objects.get(type_, name)
                if holds(found):
                    return found
                while self.objects.head == changed:  # noqa: ASYNC110 - others may write too
                    await asyncio.sleep(0)


@asynccontextmanager
async def hub_service(
    folder: Path, *, grace: float = 0.0, restart_grace: float = 0.0, heartbeat: float = 15.0
) -> AsyncIterator[HubService]:
    metrics = Metrics()
    async with database_at(folder / "cloud.db") as database:
        objects = await Objects.open(database, SCHEME, utc_now)
        ports = Ports(
            objects=objects,
            telemetry=TelemetryStore(database, metrics),
            logs=LogStore(database, metrics),
            nodes=Nodes(objects, utc_now),
            clock=utc_now,
            vault=Vault(FileKey(folder / "secrets.key")),
            heartbeat=heartbeat,
        )
        async with (
            running_hub(database, ports, metrics, grace=grace, restart_grace=restart_grace) as hub,
            serving(Starlette(routes=[hub.route()])) as url,
        ):
            port = int(url.rpartition(":")[2])
            service = HubService(hub, objects, database, ports, metrics, port)
            yield service
            await asyncio.gather(*(node.leave() for node in service.nodes))
            await hub.stop()
        objects.close()
