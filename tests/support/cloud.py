"""A real cloud service on a real socket, in a thread of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from cloud.client import context
from cloud.pki.identities import Identities
from cloud.service import Config, Server, listen, running, url_of
from tests.support.credentials import headers, trusted


class CloudService:
    """Started by `cloud_service`; `loop` runs its tasks, for tests that reach inside."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._server: Server | None = None
        self._thread = threading.Thread(target=self._run, name="cloud-under-test")
        self.url = ""
        self.identities: Identities | None = None
        self.loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(30)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive(), "the service does not stop"

    def client(self, **options: Any) -> httpx.Client:
        """Of the administrator."""
        settings = {"verify": trusted(self.url) or False, "timeout": 20} | options
        return httpx.Client(base_url=self.url, headers=headers(self.url), **settings)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - raised by start
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        async with running(self._config) as app:
            with listen(self._config) as listener:
                self._server = Server(app)
                self.identities = app.state.identities
                self.loop = asyncio.get_running_loop()
                self.url = url_of(listener, secure=not self._config.insecure_loopback)
                context.save(await app.state.tell(self.url, context.load(self.url)))
                self._ready.set()
                await self._server.serve([listener])


@contextmanager
def cloud_service(data_dir: Path, port: int = 0, **config: Any) -> Iterator[CloudService]:
    """Run a service over a data directory; on the same directory it finds its data again.

    Without TLS and identities, unless `insecure_loopback=False`.
    """
    settings = {"insecure_loopback": True} | config
    service = CloudService(Config(data_dir=data_dir, port=port, **settings))
    service.start()
    try:
        yield service
    finally:
        service.stop()
