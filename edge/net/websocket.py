"""WebSocket client (RFC 6455): binary messages over an asyncio stream. No extensions."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    RejectData,
    Request,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from edge.net.address import Address
from edge.net.errors import BadPeerError, LinkLostError, LinkTimeoutError, StatusError
from edge.net.refusal import reason_of
from edge.net.stream import READ_SIZE, Tls, close_stream, open_stream

HANDSHAKE_LIMIT = 16 << 10
"""Bytes of the server's answer to the upgrade; h11 and common servers bound headers likewise."""


class WebSocket:
    """An open connection. One task may receive while one other sends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events: deque[Event] = deque()
        """Of one read, so bounded by READ_SIZE."""
        self._closed = False
        self.on_bytes: Callable[[], None] | None = None
        """Called when bytes arrive, whole message or not."""

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        subprotocol: str,
        within: float,
        tls: ssl.SSLContext | Tls | None = None,
    ) -> Self:
        """Connect and upgrade within so many seconds each; raises NetError."""
        address = Address.parse(url, ("ws", "wss"))
        socket = cls(*await open_stream(address, tls, within))
        try:
            async with asyncio.timeout(within):
                await socket._upgrade(address, subprotocol)
        except TimeoutError:
            socket.abort()
            raise LinkTimeoutError(f"{address.authority}: no upgrade in {within:g} s") from None
        except BaseException:
            socket.abort()
            raise
        return socket

    async def send(self, data: bytes) -> None:
        """Send one binary message; returns when the stream has room. Raises LinkLostError."""
        await self._write(BytesMessage(data=data))

    async def receive(self, limit: int) -> bytes | None:
        """The next binary message, None after the peer's close; raises NetError.

        A message longer than `limit` bytes is refused as soon as it grows past it.
        """
        message = bytearray()
        while True:
            match await self._next_event():
                case BytesMessage(data=data, message_finished=finished):
                    if len(message) + len(data) > limit:
                        raise BadPeerError(f"a message of more than {limit} bytes")
                    message += data
                    if finished:
                        return bytes(message)
                case Message():
                    raise BadPeerError("a text message; only binary ones are spoken")
                case Ping() as ping:
                    await self._write(ping.response())
                case CloseConnection(reason=reason):
                    # wsproto tells bad frames as a close, too, but stays open itself.
                    if self._protocol.state is ConnectionState.OPEN:
                        raise BadPeerError(f"not WebSocket: {reason}")
                    return None
                case _:
                    pass

    async def close(self) -> None:
        """End the connection; may be called twice."""
        if self._closed:
            return
        self._closed = True
        with suppress(LocalProtocolError):  # the peer closed before
            self._writer.write(self._protocol.send(CloseConnection(code=1000)))
        await close_stream(self._writer)

    def abort(self) -> None:
        """Drop the connection at once."""
        self._closed = True
        self._writer.transport.abort()

    async def _upgrade(self, address: Address, subprotocol: str) -> None:
        await self._write(
            Request(host=address.authority, target=address.path, subprotocols=[subprotocol])
        )
        match await self._next_event(HANDSHAKE_LIMIT):
            case AcceptConnection(subprotocol=chosen):
                if chosen != subprotocol:
                    raise BadPeerError(f"the server chose {chosen!r} instead of {subprotocol!r}")
            case RejectConnection(status_code=status):
                reason = reason_of(await self._refusal(), status)
                raise StatusError(status, f"{address.authority}{address.path}: {reason}")
            case other:
                raise BadPeerError(f"{type(other).__name__} instead of an answer to the upgrade")

    async def _refusal(self) -> bytes:
        """The body of an answer that refuses; what came of it when the peer goes away."""
        body, finished = b"", False
        with suppress(LinkLostError):
            while not finished and len(body) <= HANDSHAKE_LIMIT:
                match await self._next_event(HANDSHAKE_LIMIT):
                    case RejectData(data=data, body_finished=finished):
                        body += data
                    case _:
                        break
        return body

    async def _next_event(self, limit: int | None = None) -> Event:
        """The next event; BadPeerError when more than `limit` bytes come before it."""
        total = 0
        while not self._events:
            data = await self._read()
            total += len(data)
            if limit is not None and total > limit:
                raise BadPeerError(f"more than {limit} bytes of headers")
            try:
                self._protocol.receive_data(data)
                self._events.extend(self._protocol.events())
            except RemoteProtocolError as error:
                raise BadPeerError(f"not WebSocket: {error}") from error
        return self._events.popleft()

    async def _read(self) -> bytes:
        try:
            data = await self._reader.read(READ_SIZE)
        except OSError as error:
            raise LinkLostError(f"the connection broke: {error}") from error
        if not data:
            raise LinkLostError("the connection ended without a close")
        if self.on_bytes is not None:
            self.on_bytes()
        return data

    async def _write(self, event: Event) -> None:
        try:
            self._writer.write(self._protocol.send(event))
            await self._writer.drain()
        except (OSError, LocalProtocolError) as error:
            raise LinkLostError(f"the connection broke: {error}") from error
