"""Makes apps ready and starts them: gatekeeper → registry → cache → compiler → sandbox."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import UNSET

from edge.errors import GrantError, RetryableError, UnusableError
from edge.fetch import ArtifactCache, Blob, FetchError
from edge.gatekeeper import Gatekeeper
from edge.grants import resolve
from edge.logbuffer import LogBuffer
from edge.sandbox.compile import compile_module, sweep
from edge.sandbox.engine import Engine
from edge.sandbox.errors import CompileError, InvalidModuleError
from edge.sandbox.exits import Exit
from edge.sandbox.guest import Guest
from edge.sandbox.setup import GuestSetup
from edge.secrets import SecretKeeper
from edge.services import AppServices
from edge.store import Store
from edge.wire.errors import DecodeError
from edge.wire.files import unpack_files
from edge.wire.messages import DesiredApp, Files, Scalar
from hal.board import Board

WAITING_LIMIT = 1024
"""Apps made ready and not started: as many as a desired set has; the oldest are made ready again."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """What an app starts from."""

    code: Path
    files: Mapping[str, bytes] | None


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
        self._ready: dict[bytes, _Ready] = {}
        """By what was admitted: manifest, module, files and signature together."""
        self._started: dict[str, bytes] = {}
        """What each app started with last, and may start with again."""

    async def prepare(self, spec: DesiredApp, compiling: Callable[[], None]) -> None:
        """Have it admitted, fetched and compiled; what is refused is refused before any download.

        The signature names the digests of module and files, and neither cache nor compiler takes
        other bytes. A module that many apps share is fetched and compiled for the first of them.
        """
        _check_parts(spec)
        resolve(spec, self._board)
        await self._gatekeeper.admit(spec)
        wasm = await self._fetch(spec.module)
        files = await self._files(spec.files) if spec.files is not None else None
        compiling()
        try:
            self._keep(_artifact(spec), _Ready(await compile_module(wasm, self._compiled), files))
        except InvalidModuleError as error:
            if not await self._is_intact(spec.module):
                raise RetryableError("the module was damaged on the disk; fetched anew") from error
            raise UnusableError(str(error)) from error
        except CompileError as error:
            raise RetryableError(str(error)) from error

    async def _fetch(self, blob: Blob) -> Path:
        try:
            return await self._cache.fetch(self._registry, blob)
        except FetchError as error:
            raise RetryableError(str(error)) from error

    async def _files(self, blob: Files) -> Mapping[str, bytes]:
        """The app's files, the very bytes that were asked for."""
        path = await self._fetch(blob)
        if not await self._is_intact(blob):
            raise RetryableError("the files were damaged on the disk; fetched anew")
        try:
            return unpack_files(await asyncio.to_thread(path.read_bytes))
        except DecodeError as error:
            raise UnusableError(f"{error}; build the app again and push it") from error

    async def _is_intact(self, blob: Blob) -> bool:
        try:
            return await asyncio.to_thread(self._cache.intact, blob)
        except OSError:
            return False

    def _keep(self, artifact: bytes, ready: "_Ready") -> None:
        """Remember it, and forget what was made ready long ago and never started."""
        self._ready.pop(artifact, None)
        self._ready[artifact] = ready
        waiting = [key for key in self._ready if key not in self._started.values()]
        for key in waiting[:-WAITING_LIMIT]:
            del self._ready[key]

    def start(
        self,
        name: str,
        spec: DesiredApp,
        ended: Callable[[Exit], None],
        report_twin: Callable[[str, Scalar], None],
    ) -> SandboxRun:
        """Start the app on a thread."""
        artifact = _artifact(spec)
        ready = self._ready.get(artifact)
        if ready is None:
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
            files=ready.files,
        )
        guest = Guest(self._engine, ready.code, setup)
        guest.start(ended)
        self._replace(name, artifact)
        return SandboxRun(guest, services)

    def _replace(self, name: str, artifact: bytes | None) -> None:
        """Remember what an app runs, and forget what it and no other app ran before."""
        before = self._started.pop(name, None)
        if artifact is not None:
            self._started[name] = artifact
        if before is not None and before not in self._started.values():
            self._ready.pop(before, None)

    def forget(self, name: str) -> None:
        """Drop the app's data directory and keys; its telemetry stays until the cloud has it."""
        from shutil import rmtree  # noqa: PLC0415 - 0.1 MB, and most boards never lose an app

        self._replace(name, None)
        rmtree(self._data / name, ignore_errors=True)
        self._store.kv.drop(name)

    def sweep(self, wanted: set[str], blobs: set[str]) -> None:
        """Drop what apps left that went while the agent was down, and code of none of these `blobs`.

        Before anything is compiled.
        """
        sweep(self._compiled, {digest.removeprefix("sha256:") for digest in blobs})
        if self._data.is_dir():
            for path in self._data.iterdir():
                if path.name not in wanted:
                    self.forget(path.name)


def _check_parts(spec: DesiredApp) -> None:
    """A runtime without files would run nothing, files without one would be run by nobody."""
    if (spec.manifest.runtime is UNSET) is not (spec.files is None):
        has, lacks = ("files", "runtime") if spec.files is not None else ("runtime", "files")
        raise UnusableError(f"{lacks}: missing, though the app has {has}; build and push it again")


def _artifact(spec: DesiredApp) -> bytes:
    content = msgspec.msgpack.encode((spec.manifest, spec.module, spec.files, spec.signature))
    return hashlib.sha256(content).digest()
