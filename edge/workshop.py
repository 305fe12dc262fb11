"""Makes apps ready and starts them: gatekeeper → registry → cache → compiler → sandbox."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from edge.errors import GrantError, RetryableError, UnusableError
from edge.fetch import ArtifactCache, FetchError
from edge.gatekeeper import Gatekeeper
from edge.grants import resolve
from edge.logbuffer import LogBuffer
from edge.sandbox.compile import compile_module
from edge.sandbox.engine import Engine
from edge.sandbox.errors import CompileError, InvalidModuleError
from edge.sandbox.exits import Exit
from edge.sandbox.guest import Guest
from edge.sandbox.setup import GuestSetup
from edge.secrets import SecretKeeper
from edge.services import AppServices
from edge.store import Store
from edge.wire.messages import DesiredApp, Module, Scalar
from hal.board import Board


class SandboxRun:
    """One guest on a thread of its own."""

    def __init__(self, guest: Guest, services: AppServices) -> None:
        self._guest = guest
        self._services = services

    def stop(self, grace: float) -> None:
        """Ask the guest to end; interrupt it after `grace` seconds."""
        self._guest.stop(grace)

    def change_twin(self, twin: Mapping[str, Scalar], changed: int) -> None:
        """Hand over new desired values and wake the guest."""
        self._services.change_twin(twin)
        self._guest.notify_twin(changed)

    def dropped(self) -> tuple[int, int]:
        """Telemetry records and log lines that limits refused."""
        usage = self._guest.usage()
        return usage.dropped_records, usage.dropped_lines


class SandboxWorkshop:
    """The agent's `Workshop`. `prepare` runs on the loop, guests on threads."""

    def __init__(  # noqa: PLR0913 - the parts it is made of
        self,
        *,
        board: Board,
        store: Store,
        logs: LogBuffer,
        cache: ArtifactCache,
        engine: Engine,
        directory: Path,
        registry: str,
        secrets: SecretKeeper,
        gatekeeper: Gatekeeper,
    ) -> None:
        self._secrets = secrets
        self._board = board
        self._store = store
        self._logs = logs
        self._cache = cache
        self._engine = engine
        self._compiled = directory / "compiled"
        self._data = directory / "data"
        self._registry = registry
        self._gatekeeper = gatekeeper
        self._ready: dict[bytes, Path] = {}
        """Code by what was admitted: manifest, module and signature together."""

    async def prepare(self, spec: DesiredApp, compiling: Callable[[], None]) -> None:
        """Have it admitted, fetched and compiled; what is refused is refused before any download.

        The signature names the module's digest, and neither cache nor compiler takes other bytes.
        """
        resolve(spec, self._board)
        await self._gatekeeper.admit(spec)
        try:
            wasm = await self._cache.fetch(self._registry, spec.module)
        except FetchError as error:
            raise RetryableError(str(error)) from error
        compiling()
        try:
            self._ready[_artifact(spec)] = await compile_module(wasm, self._compiled)
        except InvalidModuleError as error:
            if not await self._is_intact(spec.module):
                raise RetryableError("the module was damaged on the disk; fetched anew") from error
            raise UnusableError(str(error)) from error
        except CompileError as error:
            raise RetryableError(str(error)) from error

    async def _is_intact(self, module: Module) -> bool:
        try:
            return await asyncio.to_thread(self._cache.intact, module)
        except OSError:
            return False

    def start(
        self,
        name: str,
        spec: DesiredApp,
        ended: Callable[[Exit], None],
        report_twin: Callable[[str, Scalar], None],
    ) -> SandboxRun:
        """Start the app on a thread."""
        code = self._ready.get(_artifact(spec))
        if code is None:
            raise GrantError("this version was never admitted here; restart the agent")
        data = self._data / name
        data.mkdir(parents=True, exist_ok=True)
        services = AppServices(name, spec, self._store, self._logs, report_twin)
        setup = GuestSetup(
            manifest=spec.manifest,
            services=services,
            data_dir=data,
            limits=spec.limits,
            grants=resolve(spec, self._board),
            secrets=self._secrets.openers(name, spec),
        )
        guest = Guest(self._engine, code, setup)
        guest.start(ended)
        return SandboxRun(guest, services)

    def forget(self, name: str) -> None:
        """Drop the app's data directory and keys; its telemetry stays until the cloud has it."""
        from shutil import rmtree  # noqa: PLC0415 - 0.1 MB, and most boards never lose an app

        rmtree(self._data / name, ignore_errors=True)
        self._store.kv.drop(name)

    def sweep(self, wanted: set[str]) -> None:
        """Drop what apps left that went while the agent was down."""
        if self._data.is_dir():
            for path in self._data.iterdir():
                if path.name not in wanted:
                    self.forget(path.name)


def _artifact(spec: DesiredApp) -> bytes:
    content = msgspec.msgpack.encode((spec.manifest, spec.module, spec.signature))
    return hashlib.sha256(content).digest()
