"""The composition root of the cloud: opens the parts, joins them, serves them.

Rules: nothing here decides; a part is opened after what it needs and closed before it. Errors of
opening (a database of a newer Skerry, a port in use) come out before anything listens.
"""

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from cloud.api import discovery, openapi, resources
from cloud.api.http import ERROR_HANDLERS
from cloud.clock import Clock, utc_now
from cloud.errors import InsecureAddress
from cloud.kinds.app import APP
from cloud.kinds.appinstance import APP_INSTANCE
from cloud.kinds.node import NODE
from cloud.kinds.scheme import Scheme
from cloud.store.database import Database
from cloud.store.objects import Objects
from edge.wire import limits

SCHEME = Scheme([APP, NODE, APP_INSTANCE])
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8480
HISTORY_SECONDS = 300.0
"""Watches can resume this far back, as with Kubernetes; older revisions are compacted."""
SHUTDOWN_SECONDS = 5
"""Requests that still run when the service is asked to stop get this long."""

_log = logging.getLogger("skerry.cloud")


@dataclass(frozen=True)
class Config:
    """How to run a service; all its data is in one directory."""

    data_dir: Path
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    insecure: bool = False
    """Listen also where others can reach it, without TLS."""
    history_seconds: float = HISTORY_SECONDS
    clock: Clock = utc_now


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[Starlette]:
    """The application with everything behind it running, until the context ends."""
    await asyncio.to_thread(config.data_dir.mkdir, mode=0o700, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        database = await Database.open(config.data_dir / "cloud.db")
        stack.push_async_callback(database.close)
        objects = await Objects.open(database, SCHEME, config.clock)
        stack.callback(objects.close)
        await stack.enter_async_context(_task(_compact(objects, config.history_seconds)))
        app = Starlette(
            routes=[
                *discovery.routes(objects),
                *openapi.routes(SCHEME),
                *resources.routes(objects, config.clock),
            ],
            exception_handlers=ERROR_HANDLERS,
        )
        app.state.end_streams = objects.close
        yield app


async def serve(config: Config, started: Callable[[str], None] = lambda _: None) -> None:
    """Serve until SIGINT or SIGTERM; `started` gets the URL. Raises InsecureAddress, OSError."""
    check_address(config)
    async with running(config) as app:
        with listen(config) as listener:
            server = Server(app)
            started(url_of(listener))
            await server.serve([listener])


def check_address(config: Config) -> None:
    """Raises InsecureAddress for an address that others can reach, unless that is wished."""
    if config.insecure or config.host == "localhost":
        return
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(config.host).is_loopback:
            return
    raise InsecureAddress(
        f"listen: {config.host} can be reached by others, and there is no TLS yet; "
        f"use {DEFAULT_HOST}, or say --insecure on a network you trust"
    )


def listen(config: Config) -> socket.socket:
    """A bound socket; port 0 takes any free one. Raises OSError that names the address."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=2048)
    except OSError as error:
        place = f"{config.host}:{config.port}"
        raise OSError(error.errno, f"cannot listen at {place}: {error.strerror}") from error


def url_of(listener: socket.socket) -> str:
    """Where clients find it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn that ends open watches first, since it would wait for them for ever."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="wsproto",
                lifespan="off",
                log_config=None,
                access_log=False,
                ws_max_size=limits.FRAME_LIMIT,
                ws_ping_interval=None,
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
        )
        self._end_streams: Callable[[], None] = app.state.end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: no new requests, no endless answers, then the rest."""
        self._end_streams()
        await super().shutdown(sockets)


async def _compact(objects: Objects, every: float) -> None:
    """Keep between one and two periods of history."""
    floor = objects.head
    while True:
        await asyncio.sleep(every)
        try:
            gone = await objects.compact(floor)
        except Exception:  # noqa: BLE001 - history must not grow because of one bad hour
            _log.exception("compaction failed; it is tried again in %g s", every)
            continue
        _log.debug("compacted %d revisions up to %d", gone, floor)
        floor = objects.head


@asynccontextmanager
async def _task(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
