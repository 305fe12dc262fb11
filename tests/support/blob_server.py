"""A registry of one blob over plain TCP that can misbehave; HTTP is written by hand on purpose."""

import asyncio
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Self


class BlobServer:
    """Serves `blob` under any path. Attributes switch misbehaviours on."""

    def __init__(self, blob: bytes, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.blob = blob
        self.requests: list[str] = []
        self.starts: list[int] = []
        """First byte asked for, a request each."""
        self.cut_after: int | None = None
        """Body bytes of each answer, then the connection ends."""
        self.resumes = True
        """Answer Range with 206; else with 200 and everything."""
        self.answer: bytes | None = None
        """Exactly this instead of an answer."""
        self.shift = 0
        """A 206 starts so many bytes later than asked, and says so."""
        self.stall = asyncio.Event()
        self.stall.set()
        """Cleared: stops in the middle of each body."""
        self.chunked = False
        self.on_request: Callable[[], None] = lambda: None
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
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
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                await self._respond(head, writer)
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _respond(self, head: str, writer: asyncio.StreamWriter) -> None:
        self.requests.append(head)
        self.on_request()
        found = re.search(r"range: bytes=(\d+)-", head, re.IGNORECASE)
        start = int(found[1]) if found else 0
        self.starts.append(start)
        if self.answer is not None:
            writer.write(self.answer)
            await writer.drain()
            return
        size = len(self.blob)
        if found and self.resumes:
            start += self.shift
            writer.write(b"HTTP/1.1 206 Partial Content\r\n")
            writer.write(f"Content-Range: bytes {start}-{size - 1}/{size}\r\n".encode())
        else:
            start = 0
            writer.write(b"HTTP/1.1 200 OK\r\n")
        await self._send_body(self.blob[start:], writer)

    async def _send_body(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        if self.chunked:
            writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(body), 1000):
                part = body[at : at + 1000]
                writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            writer.write(b"0\r\n\r\n")
        else:
            writer.write(f"Content-Length: {len(body)}\r\n\r\n".encode())
            half = len(body) // 2
            writer.write(body[: half if self.cut_after is None else self.cut_after])
            await writer.drain()
            await self.stall.wait()
            if self.cut_after is None:
                writer.write(body[half:])
        await writer.drain()
