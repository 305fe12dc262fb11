"""The node's link to the cloud, for ever: connect, pump, and when it breaks try again.

No failure ends it. One that may pass soon is tried again with backoff; one that a person or an
upgrade must mend (refused, replaced, no common version) with the longest delay.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from edge.connection import Connection, UplinkPorts, Wakes
from edge.errors import AgentError
from edge.net.address import Address
from edge.net.errors import NetError, StatusError
from edge.net.stream import Tls
from edge.net.websocket import WebSocket
from edge.wire import limits
from edge.wire.backoff import Backoff
from hal import clock

__all__ = ["LinkState", "LinkStatus", "Uplink", "UplinkConfig", "UplinkPorts"]

CONNECT_PATH = "/connect/v1alpha1"
SUBPROTOCOL = "skerry.v1"
SETTLE = 10.0
"""Seconds online after which a connection counts as good; else a cloud that welcomes and drops
would be tried again at once, for ever."""
_UNAUTHORIZED = frozenset({401, 403, 404, 409})
"""Statuses of an upgrade that only a person can mend."""


@dataclass(frozen=True, slots=True)
class UplinkConfig:
    """Where the cloud is and how to reach it."""

    url: str
    """The cloud's base: `https://cloud.example:8443`."""
    identity: "IdentityPort | None" = None
    """For https: who this node is and whom it trusts; None: the system's trust, no certificate."""
    connect_timeout: float = limits.HANDSHAKE_TIMEOUT
    """Seconds for the connection and again for its upgrade."""


class IdentityPort(Protocol):
    """What is needed of the node's identity: `edge.identity.keeper.Keeper`."""

    async def prepare(self) -> Tls:
        """TLS for the next connection, after joining or renewing. Raises NetError, AgentError."""
        ...

    def failed(self, error: Exception) -> None:
        """A connection was made and broke before the session opened."""
        ...

    def heard(self, cloud_ns: int) -> None:
        """The cloud said its time on an authenticated connection."""
        ...


class LinkState(Enum):
    """Where the link is."""

    CONNECTING = "Connecting"
    ONLINE = "Online"
    WAITING = "Waiting"
    STOPPED = "Stopped"


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """The link as a person asks about it."""

    state: LinkState
    since: float
    """Monotonic seconds."""
    error: str = ""
    """Why the last connection ended; empty while Online."""
    next_try: float | None = None
    """Monotonic seconds; while Waiting."""


class Uplink:
    """Owned by one loop; `notify` may be called from any thread."""

    def __init__(
        self,
        config: UplinkConfig,
        ports: UplinkPorts,
        *,
        on_link: Callable[[LinkStatus], None] | None = None,
        on_time: Callable[[int], None] | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """`on_link` hears of each change of `link`, `on_time` the cloud's time (ns) before it.

        Both on the loop. Raises AddressError.
        """
        Address.parse(config.url, ("http", "https"))
        self._config = config
        self._ports = ports
        self._on_link = on_link
        self._on_time = on_time
        self._backoff = Backoff(uniform)
        self._wakes = Wakes()
        self._hurry = asyncio.Event()
        self._connection: Connection | None = None
        self._stopping = False
        self.link = LinkStatus(LinkState.STOPPED, clock.monotonic())

    def notify(self) -> None:
        """A status changed. Any thread; telemetry and log lines announce themselves."""
        self._wakes.status.set()

    def retry_now(self) -> None:
        """End the wait for the next try, because the network is back or a person asked."""
        self._hurry.set()

    def stop(self) -> None:
        """Close politely; `run` returns soon."""
        self._stopping = True
        self._hurry.set()
        if self._connection is not None:
            self._connection.close("the agent stops")

    async def run(self) -> None:
        """Keep the link until `stop` or cancellation."""
        loop = asyncio.get_running_loop()
        for wake in (self._wakes.telemetry, self._wakes.status, self._wakes.logs):
            wake.attach(loop)
        unsubscribe = (
            self._ports.outbox.subscribe(self._wakes.telemetry.set),
            self._ports.logs.subscribe(self._wakes.logs.set),
        )
        try:
            while not self._stopping:
                self._show(LinkState.CONNECTING, self.link.error)
                error, delay = await self._attempt()
                if not self._stopping:
                    await self._wait(error, delay)
        finally:
            for end in unsubscribe:
                end()
            self._show(LinkState.STOPPED, "")

    async def _attempt(self) -> tuple[str, float]:
        """One connection from its first byte to its end: why it ended, seconds to wait."""
        try:
            identity = self._config.identity
            tls = await identity.prepare() if identity is not None else None
            url = f"ws{self._config.url.removeprefix('http').rstrip('/')}{CONNECT_PATH}"
            socket = await WebSocket.connect(
                url,
                subprotocol=SUBPROTOCOL,
                within=self._config.connect_timeout,
                tls=tls,
            )
            if self._stopping:
                socket.abort()
                return "", 0.0
            self._connection = Connection(socket, self._ports, self._wakes, self._opened)
            closed = await self._connection.run()
        except NetError as error:
            if self._config.identity is not None:
                self._config.identity.failed(error)
            lasting = isinstance(error, StatusError) and error.status in _UNAUTHORIZED
            return str(error), self._delay(soon=not lasting)
        except AgentError as error:
            return str(error), self._delay(soon=False)
        except Exception as error:  # noqa: BLE001 (a port failed; the node must stay reachable)
            return _describe(error), self._delay(soon=True)
        finally:
            self._connection = None
        return f"{closed.code.value}: {closed.reason}", self._delay(soon=closed.retry)

    def _delay(self, *, soon: bool) -> float:
        if self.link.state is LinkState.ONLINE and self.link.since < clock.monotonic() - SETTLE:
            self._backoff.reset()
        return self._backoff.next() if soon else self._backoff.slowest()

    async def _wait(self, error: str, delay: float) -> None:
        self._show(LinkState.WAITING, error, clock.monotonic() + delay)
        try:
            async with asyncio.timeout(delay):
                await self._hurry.wait()
        except TimeoutError:
            return
        finally:
            self._hurry.clear()

    def _opened(self, time_ns: int) -> None:
        if self._config.identity is not None:
            self._config.identity.heard(time_ns)
        if self._on_time is not None:
            self._on_time(time_ns)
        self._show(LinkState.ONLINE, "")

    def _show(self, state: LinkState, error: str, next_try: float | None = None) -> None:
        self.link = LinkStatus(state, clock.monotonic(), error, next_try)
        if self._on_link is not None:
            self._on_link(self.link)


def _describe(error: Exception) -> str:
    """The innermost causes of a group, in words."""
    if isinstance(error, ExceptionGroup):
        return "; ".join(_describe(each) for each in error.exceptions)
    return f"{type(error).__name__}: {error}"
