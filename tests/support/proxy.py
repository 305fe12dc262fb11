"""A TCP link between real sockets that can be cut, healed, slowed and frozen."""

import asyncio
import contextlib
import threading
from types import TracebackType
from typing import Self

CHUNK = 16384


class Link:
    """Forwards 127.0.0.1:`port` to a target; runs on a thread with a loop of its own."""

    def __init__(self, target_port: int) -> None:
        self._target = target_port
        self._loop = asyncio.new_event_loop()
        self._up = True
        self._rate: float | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.connections = 0
        self.carried = 0
        """Bytes forwarded so far, both ways."""
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        self._do(self._cut())

    def heal(self) -> None:
        """Let connections through again."""
        self._up = True

    def freeze(self) -> None:
        """Keep connections but let no byte pass, as a dead radio does."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def thaw(self) -> None:
        """Let bytes pass again."""
        self._loop.call_soon_threadsafe(self._flowing.set)

    def slow(self, bytes_per_second: float | None) -> None:
        """Limit the rate of each direction; None lifts the limit."""
        self._rate = bytes_per_second

    def retarget(self, port: int) -> None:
        """Forward new connections elsewhere."""
        self._target = port

    def _do(self, coroutine) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _cut(self) -> None:
        self._up = False
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            if not self._up:
                return
            self.connections += 1
            there_reader, there = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(there)
            try:
                await asyncio.gather(self._pump(reader, there), self._pump(there_reader, writer))
            finally:
                self._writers.discard(there)
                there.transport.abort()
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK if self._rate is None else 1024):
                await self._flowing.wait()
                if self._rate is not None:
                    await asyncio.sleep(len(data) / self._rate)
                self.carried += len(data)
                writer.write(data)
                await writer.drain()
        writer.close()
