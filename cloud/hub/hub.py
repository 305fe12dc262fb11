"""All connected nodes: who is here, whom a change concerns, who has gone.

Rules: one connection a node; a newer one replaces the older. One watch of all instances serves all
nodes, and a change wakes only the node it is for. Only instances in the namespace `default` are
sent: on a node an app, or a firmware, has one name.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from msgspec import structs
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from cloud.access.principal import node_of
from cloud.errors import Expired
from cloud.hub.connection import Connection
from cloud.hub.desired import DesiredIndex
from cloud.hub.items import KINDS
from cloud.hub.ports import Ports
from cloud.kinds.meta import DEFAULT_NAMESPACE
from cloud.kinds.node import Node
from cloud.kinds.work import Instance
from cloud.metrics import Metrics
from cloud.store import log
from cloud.store.database import Database
from cloud.store.objects import Query
from cloud.store.watch import Event, EventType, Watch
from edge.wire.messages import CloseCode, Hello

PATH = "/connect/v1alpha1"
SUBPROTOCOL = "skerry.v1"
CONNECTIONS_LIMIT = 10_000
"""Connected nodes: at 100 KiB each about 1 GB; a larger fleet needs another worker."""
GRACE = 5.0
"""Seconds a node may be away before it counts as disconnected: a reconnect takes one or two."""
RESTART_GRACE = 30.0
"""The same after a start of the cloud, when all nodes come back, each after its backoff."""
STOP_TIMEOUT = 3.0
"""Seconds for the nodes to answer Close when the cloud stops."""
TWINS_REMEMBERED = 4
"""Replaced processes kept in mind for each node: two boards take turns, rarely more."""
REBUILD_DELAY = 1.0
"""Seconds before the index is built again after a failure."""

_INSTANCES = Query(namespace=DEFAULT_NAMESPACE)
_log = logging.getLogger("skerry.hub")


class Hub:
    """The cloud's end of all nodes; `running_hub` makes it. Concurrency: one event loop."""

    def __init__(self, database: Database, ports: Ports, metrics: Metrics, grace: float) -> None:
        self._database = database
        self._ports = ports
        self._grace = grace
        self._connections: dict[str, Connection] = {}
        self._open: set[Connection] = set()
        """Also those that were replaced or have not said Hello yet."""
        self._leaving: dict[str, asyncio.TimerHandle] = {}
        self._ousted: dict[str, deque[str]] = {}
        """Boot ids of processes that another one of the same name replaced."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        metrics.gauge("skerry_nodes_connected", "Nodes connected.", lambda: len(self._connections))
        metrics.gauge(
            "skerry_telemetry_waiting_bytes",
            "Telemetry received and not yet committed.",
            lambda: ports.credit.waiting,
        )
        self._arrivals = metrics.counter("skerry_node_arrivals_total", "Hellos accepted.")

    def route(self) -> WebSocketRoute:
        """Where nodes connect."""
        return WebSocketRoute(PATH, self._serve)

    async def start(self, restart_grace: float) -> None:
        """Learn what is wanted and who was here; follow changes from then on."""
        watch = await self._build()
        self._spawn(self._follow(watch))
        objects = self._ports.objects
        self._spawn(self._follow_nodes(await objects.watch(Node, Query(), objects.head)))
        for name, boot_id in (await self._ports.nodes.ready()).items():
            self._expect(name, boot_id, restart_grace)

    async def stop(self) -> None:
        """Send everyone away and wait for them, but not for long."""
        self._stopping = True
        for timer in self._leaving.values():
            timer.cancel()
        for connection in self._open:
            connection.close(CloseCode.NORMAL, "the cloud is stopping")
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT):
                while self._open:
                    await next(iter(self._open)).ended.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- nodes -----------------------------------------------------------------------------------

    async def _serve(self, socket: WebSocket) -> None:
        if SUBPROTOCOL not in socket.scope["subprotocols"] or self._stopping:
            await socket.close()
            return
        await socket.accept(SUBPROTOCOL)
        connection = Connection(socket, self._ports, self._greet, node_of(socket.scope))
        connection.ends_at = self._ports.ends_at(socket.scope)
        self._open.add(connection)
        self._ports.credit.connections += 1
        try:
            await connection.run()
        finally:
            self._ports.credit.connections -= 1
            self._open.discard(connection)
            self._forget(connection)

    async def _greet(self, connection: Connection, hello: Hello) -> int:
        name = hello.node
        if connection.identity not in {None, name}:
            connection.close(
                CloseCode.REFUSED, f"this is the certificate of {connection.identity}"
            )
            return 0
        if self._ports.labels is not None:
            hello = structs.replace(hello, labels=await self._ports.labels(name))
        old = self._connections.get(name)
        if old is None and len(self._connections) >= CONNECTIONS_LIMIT:
            connection.close(CloseCode.OVERLOAD, f"{CONNECTIONS_LIMIT} nodes are connected")
            return 0
        message = _replace(old, hello) if old is not None else ""
        twin = self._is_twin(old, hello)
        self._connections[name] = connection
        self._arrivals.add()
        timer = self._leaving.pop(name, None)
        if timer is not None:
            timer.cancel()
        await self._ports.nodes.arrived(hello, connection.address, message, twin=twin)
        return await self._ports.telemetry.mark(name, hello.epoch)

    def _is_twin(self, old: Connection | None, hello: Hello) -> bool:
        """Whether a process is back that another had replaced: then both are alive.

        A board that starts anew replaces its older self, too, but that one never comes back.
        """
        name = hello.node
        ousted = self._ousted.get(name, deque())
        if old is not None and old.hello is not None and old.hello.boot_id != hello.boot_id:
            self._ousted.setdefault(name, deque(maxlen=TWINS_REMEMBERED)).append(old.hello.boot_id)
        return hello.boot_id in ousted

    def _forget(self, connection: Connection) -> None:
        hello = connection.hello
        if hello is not None and self._connections.get(hello.node) is connection:
            del self._connections[hello.node]
            if not self._stopping:
                self._expect(hello.node, hello.boot_id, self._grace)

    def _expect(self, name: str, boot_id: str, patience: float) -> None:
        """Say that a node is gone when it has not come back in time."""
        if name not in self._connections:
            self._leaving[name] = self._loop.call_later(patience, self._give_up, name, boot_id)

    def _give_up(self, name: str, boot_id: str) -> None:
        del self._leaving[name]
        self._spawn(self._ports.nodes.left(name, boot_id))

    async def _follow_nodes(self, watch: Watch[Node]) -> None:
        """A connected node whose object was deleted is sent away: it comes again and is known."""
        objects = self._ports.objects
        while not watch.closed:
            try:
                for event in await watch.take():
                    if event.type is EventType.DELETED:
                        self._send_away(event.object.metadata.name)
            except Expired:
                objects.stop(watch)
                watch = await objects.watch(Node, Query(), objects.head)
                known = {node.metadata.name for node in (await objects.list(Node, Query())).items}
                for name in self._connections.keys() - known:
                    self._send_away(name)

    def send_away(self, name: str, reason: str) -> None:
        """End every connection that a node's certificate opened: it counts no more."""
        self._ousted.pop(name, None)
        for connection in list(self._open):
            if connection.identity == name:
                connection.close(CloseCode.REFUSED, reason)

    async def end_expired(self) -> None:
        """End the connections whose certificates have ended meanwhile; they come with newer ones."""
        now = self._ports.clock().timestamp()
        for connection in list(self._open):
            if connection.ends_at <= now:
                connection.close(CloseCode.NORMAL, "the certificate of this connection has ended")

    def _send_away(self, name: str) -> None:
        connection = self._connections.get(name)
        if connection is not None:
            connection.close(CloseCode.NORMAL, f"Node {name} was deleted; it joins anew")

    # --- what is wanted --------------------------------------------------------------------------

    async def _build(self) -> Watch[Instance]:
        """Fill the index from the present state and what the log knows of removals."""
        objects = self._ports.objects
        floor = await self._database.read(log.floor)
        types = tuple(KINDS.values())
        pages = [await objects.list(each, _INSTANCES) for each in types]
        watch = await objects.watch_all(types, _INSTANCES, floor)
        index = DesiredIndex(floor, await self._database.read(log.gaps))
        for page in pages:
            for instance in page.items:
                index.put(instance, int(instance.metadata.resource_version))
            index.reach(page.revision)
        # Steps may be sent only once every removal up to the present is known.
        while not watch.caught_up():
            for event in await watch.take(0):
                _apply(index, event)
        self._ports.index = index
        return watch

    async def _follow(self, watch: Watch[Instance]) -> None:
        while True:
            try:
                await self._dispatch(watch)
            except Expired:
                _log.warning("the hub fell behind the objects; it reads them anew")
            except Exception:  # noqa: BLE001 - logged and tried again
                _log.exception("the hub cannot follow the objects; it reads them anew")
            else:
                return  # the objects were closed
            self._ports.objects.stop(watch)
            watch = await self._rebuild()
            for connection in self._connections.values():
                connection.want_step()

    async def _rebuild(self) -> Watch[Instance]:
        while True:
            try:
                return await self._build()
            except Exception:  # noqa: BLE001 - logged and tried again
                _log.exception("the objects cannot be read; tried again in %g s", REBUILD_DELAY)
                await asyncio.sleep(REBUILD_DELAY)

    async def _dispatch(self, watch: Watch[Instance]) -> None:
        while not watch.closed:
            for event in await watch.take():
                if _apply(self._ports.index, event):
                    connection = self._connections.get(event.object.spec.node)
                    if connection is not None:
                        connection.want_step()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@asynccontextmanager
async def running_hub(
    database: Database,
    ports: Ports,
    metrics: Metrics,
    *,
    grace: float = GRACE,
    restart_grace: float = RESTART_GRACE,
) -> AsyncGenerator[Hub]:
    """A hub that serves until the context ends."""
    hub = Hub(database, ports, metrics, grace)
    await hub.start(restart_grace)
    try:
        yield hub
    finally:
        await hub.stop()


def _apply(index: DesiredIndex, event: Event[Instance]) -> bool:
    if event.type is EventType.DELETED:
        return index.remove(event.object, event.revision)
    return index.put(event.object, event.revision)


def _replace(old: Connection, hello: Hello) -> str:
    """End the older connection; what a person should know about it."""
    if old.hello is None or old.hello.boot_id == hello.boot_id:
        old.close(CloseCode.NORMAL, "replaced by a newer connection of the same process")
        return ""
    old.close(CloseCode.REPLACED, f"node {hello.node} connected from another process")
    return (
        f"connected; took over from process {old.hello.boot_id:.64} at {old.address}, which was "
        "still connected: if this repeats, two boards have this name"
    )
