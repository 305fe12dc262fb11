"""The composition root of the cloud: opens the parts, joins them, serves them.

Rules: nothing here decides; a part is opened after what it needs and closed before it. Errors of
opening (a database of a newer Skerry, a port in use) come out before anything listens.
"""

import asyncio
import contextlib
import ipaddress
import logging
import os
import random
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

from cloud.access import audit
from cloud.access.authorizer import Authorizer
from cloud.access.bootstrap import make_admin
from cloud.access.credentials import Credentials
from cloud.access.gate import Gate, Limits
from cloud.access.routes import AccessApi
from cloud.api import discovery, openapi, resources
from cloud.api.http import ERROR_HANDLERS
from cloud.clock import Clock, utc_now
from cloud.controllers.apps import app_controller
from cloud.controllers.firmware import firmware_controller
from cloud.controllers.loop import running as background
from cloud.datadir import held
from cloud.errors import InsecureAddress
from cloud.hub.hub import running_hub
from cloud.hub.nodes import Nodes
from cloud.hub.ports import Ports
from cloud.kinds.access import ROLE, ROLE_BINDING
from cloud.kinds.app import APP
from cloud.kinds.appinstance import APP_INSTANCE
from cloud.kinds.firmware import FIRMWARE
from cloud.kinds.firmwareinstance import FIRMWARE_INSTANCE
from cloud.kinds.node import NODE
from cloud.kinds.scheme import Scheme
from cloud.kinds.secret import SECRET
from cloud.local import teller
from cloud.metrics import Metrics
from cloud.pki.enrolment import Policy
from cloud.pki.identities import Identities, names_of
from cloud.pki.peer import PeerProtocol, ends_at
from cloud.registry.artifacts import Artifacts
from cloud.registry.registry import Registry
from cloud.registry.routes import registry_routes
from cloud.store.database import Database
from cloud.store.objects import Objects
from cloud.telemetry.logs import LogStore
from cloud.telemetry.retention import Retention, sweep
from cloud.telemetry.routes import TelemetryApi
from cloud.telemetry.store import TelemetryStore
from cloud.vault import Vault
from edge.keyholder import key_holder
from edge.wire import limits

SCHEME = Scheme([APP, NODE, APP_INSTANCE, FIRMWARE, FIRMWARE_INSTANCE, ROLE, ROLE_BINDING, SECRET])
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8480
HISTORY_SECONDS = 300.0
"""Watches can resume this far back, as with Kubernetes; older revisions are compacted."""
LEAP_LIMIT = 1 << 32
"""Revisions skipped at a start, at most: enough that two histories from one backup do not meet,
and that 2**21 starts stay within the integers of JavaScript."""
GARBAGE_SECONDS = 3600.0
"""How often blobs that nothing names are looked for."""
ACCESS_SECONDS = 60.0
"""How often the use of tokens is written down and old audit records are looked for."""
RETENTION_SECONDS = 600.0
"""How often old readings are looked for."""
IDENTITIES_SECONDS = 3600.0
"""How often the service looks at its own certificate, and forgets what ended long ago."""
EXPIRY_SECONDS = 60.0
"""How often connections are looked for whose certificates have ended."""
SHUTDOWN_SECONDS = 5
"""Requests that still run when the service is asked to stop get this long."""

_log = logging.getLogger("skerry.cloud")


@dataclass(frozen=True)
class Config:
    """How to run a service; all its data is in one directory."""

    data_dir: Path
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    insecure_loopback: bool = False
    """Without TLS and identities; only where nobody else can reach it."""
    names: tuple[str, ...] = ()
    """Further names and addresses by which nodes and people reach the service."""
    policy: Policy = field(default_factory=Policy)
    """How long certificates live."""
    key_store: str = ""
    """`pkcs11:…`: the token that seals secrets; empty: a key in a file beside the database."""
    history_seconds: float = HISTORY_SECONDS
    heartbeat: float = limits.HEARTBEAT
    """Seconds of silence after which nodes and cloud ask each other for a sign of life."""
    expiry_seconds: float = EXPIRY_SECONDS
    retention: Retention = field(default_factory=Retention)
    """How much telemetry is kept."""
    access: Limits = field(default_factory=Limits)
    """How often each may ask."""
    clock: Clock = utc_now


def sealing(scheme: Scheme, vault: Vault) -> Scheme:
    """The scheme with Secrets that the vault seals."""
    secret = replace(SECRET, incoming=vault.incoming)
    return Scheme(secret if kind is SECRET else kind for kind in scheme.kinds)


@asynccontextmanager
async def running(config: Config) -> AsyncGenerator[Starlette]:
    """The application with everything behind it running, until the context ends.

    `app.state.quiesce()` ends what would otherwise never end: watches, tails, nodes.
    `app.state.tell` is what the owner's own commands shall know (`cloud.local`).
    """
    clock, metrics = config.clock, Metrics()
    async with AsyncExitStack() as stack:
        stack.enter_context(held(config.data_dir))
        database = await Database.open(config.data_dir / "cloud.db")
        stack.push_async_callback(database.close)
        leap = random.randint(1, LEAP_LIMIT)  # noqa: S311 - only has to differ
        vault = Vault(key_holder(config.key_store, config.data_dir / "secrets.key"))
        objects = await Objects.open(database, sealing(SCHEME, vault), clock, leap=leap)
        stack.callback(objects.close)
        credentials = await Credentials.open(database, os.urandom)
        stack.push_async_callback(credentials.keep_use)
        await make_admin(credentials, objects, config.data_dir, _now_ns(clock))
        authorizer = Authorizer(objects)
        access = AccessApi(database, objects, credentials, authorizer, clock)
        registry = Registry(database, config.data_dir / "registry", clock)
        await registry.start()
        telemetry = TelemetryStore(database, metrics)
        logs = LogStore(database, metrics)
        readings = TelemetryApi(database, telemetry, logs, clock)
        artifacts = Artifacts(registry)
        await stack.enter_async_context(app_controller(objects, artifacts, clock))
        await stack.enter_async_context(firmware_controller(objects, artifacts, clock))
        ports = Ports(
            objects, telemetry, logs, Nodes(objects, clock), clock, vault, config.heartbeat
        )
        identities = None if config.insecure_loopback else await _identities(config, database)
        if identities is not None:
            ports.labels = identities.enrolment.labels
            ports.ends_at = ends_at
        hub = await stack.enter_async_context(running_hub(database, ports, metrics))
        chores = [*_chores(config, database, objects, registry)]
        chores.append(_tend(config, database, credentials))
        if identities is not None:
            identities.enrolment.send_away = hub.send_away
            chores.append(_repeat(identities.renew, IDENTITIES_SECONDS))
            chores.append(_repeat(hub.end_expired, config.expiry_seconds))
        await stack.enter_async_context(background(*chores))
        nodes = identities.rules(objects) if identities is not None else None
        gate = Gate(database, credentials, authorizer, clock, metrics, nodes, config.access)

        async def quiesce() -> None:
            readings.close()
            objects.close()
            await hub.stop()

        app = Starlette(
            routes=[
                *discovery.routes(objects),
                *openapi.routes(SCHEME),
                *resources.routes(objects, clock),
                *readings.routes(),
                *registry_routes(registry),
                *access.routes(),
                hub.route(),
                metrics.route(),
                *(identities.routes() if identities is not None else ()),
            ],
            middleware=[Middleware(gate.around)],
            exception_handlers=ERROR_HANDLERS,
        )
        app.state.quiesce = quiesce
        app.state.identities = identities
        enrolment = identities.enrolment if identities is not None else None
        app.state.tell = teller(config.data_dir, credentials, enrolment, clock)
        yield app


async def serve(
    config: Config, started: Callable[[str, Starlette], Awaitable[None]] | None = None
) -> None:
    """Serve until SIGINT or SIGTERM; `started` gets the URL. Raises InsecureAddress, OSError."""
    check_address(config)
    async with running(config) as app:
        with listen(config) as listener:
            server = Server(app)
            if started is not None:
                await started(url_of(listener, secure=not config.insecure_loopback), app)
            await server.serve([listener])


def check_address(config: Config) -> None:
    """Raises InsecureAddress for a service without TLS that others could reach."""
    if not config.insecure_loopback or config.host == "localhost":
        return
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(config.host).is_loopback:
            return
    raise InsecureAddress(
        f"listen: {config.host} can be reached by others: --insecure-loopback is for "
        f"{DEFAULT_HOST} alone; leave it out, and the service makes its certificates itself"
    )


def listen(config: Config) -> socket.socket:
    """A bound socket; port 0 takes any free one. Raises OSError that names the address."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        listener = socket.create_server((config.host, config.port), family=family, backlog=2048)
    except OSError as error:
        place = f"{config.host}:{config.port}"
        raise OSError(error.errno, f"cannot listen at {place}: {error.strerror}") from error
    # Connections inherit it; asyncio does not see that these are TCP, and each answer would
    # otherwise wait 40 ms for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def url_of(listener: socket.socket, *, secure: bool) -> str:
    """Where clients find it."""
    host, port = listener.getsockname()[:2]
    scheme = "https" if secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn that ends open watches first, since it would wait for them for ever."""

    def __init__(self, app: Starlette) -> None:
        identities: Identities | None = app.state.identities
        context = identities.context if identities is not None else None
        super().__init__(
            uvicorn.Config(
                app,
                http=PeerProtocol,
                ssl_context_factory=(lambda _config, _default: context) if context else None,
                ws="wsproto",
                lifespan="off",
                log_config=None,
                access_log=False,
                ws_max_size=limits.FRAME_LIMIT,
                ws_ping_interval=None,
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
        )
        self._quiesce: Callable[[], Awaitable[None]] = app.state.quiesce

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: no new requests, no endless answers, then the rest."""
        await self._quiesce()
        await super().shutdown(sockets)


async def _identities(config: Config, database: Database) -> Identities:
    names = names_of(config.host, config.names)
    directory = config.data_dir / "pki"
    return await Identities.open(directory, names, database, config.clock, config.policy)


def _chores(
    config: Config, database: Database, objects: Objects, registry: Registry
) -> Iterator[Coroutine[Any, Any, None]]:
    async def forget_readings() -> None:
        await sweep(database, config.retention, _now_ns(config.clock))

    yield _compact(objects, config.history_seconds)
    yield _repeat(registry.collect, GARBAGE_SECONDS)
    yield _repeat(forget_readings, RETENTION_SECONDS)


async def _tend(config: Config, database: Database, credentials: Credentials) -> None:
    async def once() -> None:
        await credentials.keep_use()
        await audit.sweep(database, _now_ns(config.clock))

    await _repeat(once, ACCESS_SECONDS)


def _now_ns(clock: Clock) -> int:
    return int(clock().timestamp() * 1e9)


async def _compact(objects: Objects, every: float) -> None:
    """Keep between one and two periods of history."""
    floor = objects.head

    async def once() -> None:
        nonlocal floor
        gone = await objects.compact(floor)
        _log.debug("compacted %d revisions up to %d", gone, floor)
        floor = objects.head

    await _repeat(once, every)


async def _repeat(chore: Callable[[], Awaitable[object]], every: float) -> None:
    """Do a chore every so often, for ever."""
    while True:
        await asyncio.sleep(every)
        try:
            await chore()
        except Exception:  # noqa: BLE001 - one bad hour must not end it
            _log.exception("a periodic chore failed; it is tried again in %g s", every)
