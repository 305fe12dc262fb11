"""A node without an agent, for what is measured inside it: engine, compiled guests, a real store."""

import asyncio
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edge.logbuffer import LogBuffer
from edge.sandbox.compile import compile_module
from edge.sandbox.engine import Engine
from edge.sandbox.exits import Exit
from edge.sandbox.guest import Guest
from edge.sandbox.setup import GuestSetup, I2CGrant
from edge.services import AppServices
from edge.store import Store
from edge.wire.manifest import AppManifest
from edge.wire.messages import DesiredApp, Module
from tests.bench.processes import ROOT, BenchError
from wasm_apps.tool.compiler import build

GUESTS = ROOT / "tests" / "bench" / "guests"
THERMOMETER = ROOT / "wasm_apps" / "thermometer"
RUN_LIMIT = 120.0


@dataclass(frozen=True, slots=True)
class App:
    """A built app."""

    directory: Path
    manifest: AppManifest
    wasm: Path

    @classmethod
    def build(cls, directory: Path) -> "App":
        """Compile the sources in `directory`; quick when nothing changed."""
        manifest = msgspec.convert(
            tomllib.loads((directory / "app.toml").read_text()), AppManifest
        )
        return cls(directory, manifest, build(directory))


class BenchNode:
    """Runs guests of one app after the other."""

    def __init__(self, directory: Path, store: Store, engine: Engine) -> None:
        self._directory = directory
        self._store = store
        self._engine = engine
        self.logs = LogBuffer()
        self._loop = asyncio.Runner()

    def close(self) -> None:
        """End the loop that compiles."""
        self._loop.close()

    def code(self, app: App) -> Path:
        """The app's code, compiled now or before."""
        return self._loop.run(compile_module(app.wasm, self._directory / "compiled"))

    def guest(self, app: App, code: Path, grants: dict[str, I2CGrant]) -> Guest:
        """A guest as the agent would start it."""
        manifest = app.manifest
        data = self._directory / "data"
        data.mkdir(exist_ok=True)
        module = Module(repository=manifest.name, digest="sha256:" + "0" * 64, size=1)
        spec = DesiredApp(manifest=manifest, module=module, limits=manifest.limits)
        services = AppServices(manifest.name, spec, self._store, self.logs, _unheard)
        setup = GuestSetup(
            manifest=manifest,
            services=services,
            data_dir=data,
            limits=manifest.limits,
            grants=grants,
        )
        return Guest(self._engine, code, setup)

    def run(self, app: App) -> list[str]:
        """Run an app to its end; its log lines. BenchError when it failed."""
        ends: list[Exit] = []
        thread = self.guest(app, self.code(app), {}).start(ends.append)
        thread.join(RUN_LIMIT)
        lines = [line.text for line in self.logs.tail(app.manifest.name, 10_000)]
        if not ends or ends[0].code != 0:
            raise BenchError(
                f"{app.manifest.name}: {ends[0] if ends else 'still runs'} {lines[-1:]}"
            )
        return lines


@contextmanager
def bench_node() -> Iterator[BenchNode]:
    """A node with an empty store in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="skerry-bench-") as name:
        directory = Path(name)
        store = Store.open(directory / "store")
        engine = Engine()
        node = BenchNode(directory, store, engine)
        try:
            yield node
        finally:
            node.close()
            engine.close()
            store.close()


def _unheard(_name: str, _value: Any) -> None:
    pass
