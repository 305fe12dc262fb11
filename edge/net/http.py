"""HTTP/1.1 over an asyncio stream: one request a connection, redirects and codings refused."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h11

from edge.net.address import Address
from edge.net.errors import BadPeerError, LinkLostError, LinkTimeoutError, StatusError
from edge.net.stream import READ_SIZE, Tls, close_stream, open_stream

_REDIRECTS = range(300, 400)


@dataclass(slots=True)
class Response:
    """Status and headers (lower-case names); `body` may be read once."""

    status: int
    headers: Mapping[str, str]
    body: AsyncIterator[bytes] = field(repr=False)
    """Chunks of at most READ_SIZE; raises LinkLostError when cut, LinkTimeoutError when idle."""


@asynccontextmanager
async def get(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | Tls | None = None,
    connect_timeout: float,
    idle_timeout: float,
    body: bytes | None = None,
) -> AsyncGenerator[Response]:
    """GET `url`, or POST a JSON `body`; the connection ends with the block.

    Raises NetError; StatusError for redirects. `idle_timeout` bounds the silence between any two
    reads, not the whole transfer.
    """
    address = Address.parse(url, ("http", "https"))
    reader, writer = await open_stream(address, tls, connect_timeout)
    exchange = _Exchange(reader, writer, idle_timeout)
    try:
        response = await exchange.request(address, headers or {}, body)
        if response.status in _REDIRECTS:
            target = response.headers.get("location", "nowhere")
            raise StatusError(response.status, f"{url}: a redirect to {target!r} is not followed")
        coding = response.headers.get("content-encoding", "identity")
        if coding != "identity":
            raise BadPeerError(f"{url}: content-encoding {coding!r}, though none was accepted")
        yield response
    finally:
        await close_stream(writer)


class _Exchange:
    """One request and its answer."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle_timeout: float
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._idle = idle_timeout
        self._protocol = h11.Connection(h11.CLIENT)  # bounds headers at 16 KiB by itself

    async def request(
        self, address: Address, headers: Mapping[str, str], body: bytes | None
    ) -> Response:
        fields = [
            ("Host", address.authority),
            ("User-Agent", "skerry"),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
            *headers.items(),
        ]
        if body is not None:
            fields += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        method = "GET" if body is None else "POST"
        request = h11.Request(method=method, target=address.path, headers=fields)
        data = self._protocol.send(request) or b""
        if body is not None:
            data += self._protocol.send(h11.Data(data=body)) or b""
        data += self._protocol.send(h11.EndOfMessage()) or b""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise LinkLostError(f"the connection broke: {error}") from error
        while not isinstance(event := await self._next_event(), h11.Response):
            pass  # 1xx
        names = {name.decode(): value.decode("latin-1") for name, value in event.headers}
        return Response(event.status_code, names, self._body())

    async def _body(self) -> AsyncIterator[bytes]:
        while isinstance(event := await self._next_event(), h11.Data):
            yield bytes(event.data)

    async def _next_event(self) -> h11.Event:
        while True:
            try:
                event = self._protocol.next_event()
            except h11.RemoteProtocolError as error:
                if self._protocol.trailing_data[1]:
                    raise LinkLostError(f"the connection ended too early: {error}") from error
                raise BadPeerError(f"not HTTP: {error}") from error
            if isinstance(event, h11.Event):
                return event
            if event is not h11.NEED_DATA:
                raise BadPeerError("the server switched protocols")
            self._protocol.receive_data(await self._read())

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout(self._idle):
                return await self._reader.read(READ_SIZE)
        except TimeoutError:
            raise LinkTimeoutError(f"nothing came for {self._idle:g} s") from None
        except OSError as error:
            raise LinkLostError(f"the connection broke: {error}") from error
