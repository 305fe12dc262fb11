"""A cloud with TLS and identities, and nodes that join it through the agent's own keeper."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx

from cloud.pki.certificates import pin
from cloud.pki.enrolment import Policy
from edge.identity.keeper import JoinSettings, Keeper
from edge.timekeeper import RELEASED_NS
from tests.support.cloud import CloudService, cloud_service

T = TypeVar("T")
OPERATORS = "/apis/identity.skerry.dev/v1alpha1"


def run(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns; sockets that it dropped are closed before the loop is."""

    async def whole() -> T:
        try:
            return await work
        finally:
            for _ in range(5):
                await asyncio.sleep(0)

    return asyncio.run(whole())


class DialClock:
    """A cloud's clock that a test sets."""

    def __init__(self, **ahead: float) -> None:
        self.ahead = timedelta(**ahead)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class KnownTime:
    """What a node knows of the time: only what a cloud has told it."""

    def __init__(self, now_ns: int = RELEASED_NS) -> None:
        self.now_ns = now_ns

    def proven_ns(self) -> int:
        return self.now_ns

    def proved(self, cloud_ns: int) -> None:
        self.now_ns = max(self.now_ns, cloud_ns)


class TrustCloud:
    """A running service and its operator."""

    def __init__(self, service: CloudService) -> None:
        assert service.identities is not None
        self.service = service
        self.url = service.url
        self.identities = service.identities
        self.enrolment = service.identities.enrolment
        self.operator = service.client()

    @property
    def ca(self) -> str:
        return "".join(self.enrolment.authority.trust_text())

    @property
    def pin(self) -> str:
        return f"sha256:{pin(self.enrolment.authority.signer.certificate)}"

    def token(self, **wish: Any) -> str:
        return str(self.post("tokens", wish)["token"])

    def post(self, path: str, said: Any = None) -> Any:
        answer = self.operator.post(f"{OPERATORS}/{path}", json=said)
        assert answer.is_success, answer.text
        return answer.json()

    def inside(self, work: Coroutine[Any, Any, T]) -> T:
        """What a coroutine returns that runs on the service's own loop."""
        assert self.service.loop is not None
        return asyncio.run_coroutine_threadsafe(work, self.service.loop).result(30)

    def renew(self) -> None:
        """The service looks at its own certificate, as it does every hour."""
        self.inside(self.identities.renew())

    def keeper(
        self, directory: Path, node: str = "barn", time: KnownTime | None = None, **how: Any
    ) -> Keeper:
        """Of a node that has not joined yet, unless the directory is one that has."""
        known = time or KnownTime()
        settings = JoinSettings(node, self.url, **how)
        return Keeper(settings, directory, known, lambda low, high: (low + high) / 2)

    def joined(self, directory: Path, node: str = "barn", **how: Any) -> Keeper:
        keeper = self.keeper(directory, node, token=self.token(), **how)
        run(keeper.prepare())
        return keeper

    def as_node(self, keeper: Keeper) -> httpx.Client:
        return httpx.Client(base_url=self.url, verify=keeper.tls().context, timeout=20)


@contextmanager
def trust_cloud(
    directory: Path, clock: Any = None, expiry_seconds: float = 60, **policy: Any
) -> Iterator[TrustCloud]:
    """A service as `skerry cloud` runs it, on a port of its own."""
    settings = {"expiry_seconds": expiry_seconds} | ({"clock": clock} if clock else {})
    with cloud_service(
        directory, insecure_loopback=False, policy=Policy(**policy), **settings
    ) as service:
        cloud = TrustCloud(service)
        try:
            yield cloud
        finally:
            cloud.operator.close()


class Impostor:
    """A TLS server with a certificate of one's own making; says `data` to whom it meets."""

    def __init__(self, identity: Path, version: ssl.TLSVersion | None = None) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(identity)
        if version is not None:
            self._context.maximum_version = version
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self.heard: list[bytes] = []
        self.answer = b""
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "Impostor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(connection, server_side=True) as secure:
                    secure.settimeout(5)
                    self.heard.append(secure.recv(65536))
                    secure.sendall(self.answer)
            except OSError:
                continue
