"""MicroPython's own tests, each on the port built for this machine and on the guest.

The guest is built to collect garbage at every allocation, so a pointer that the collector does not
find is memory used twice, and shows. What a test prints must be the same bytes, and its exit code.
"""

import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import wasmtime

from edge.sandbox.engine import engine_config
from edge.sandbox.host import MODULES

FOLDERS = ("basics", "float", "extmod", "micropython", "misc", "stress")
NATIVE_SECONDS = 20.0
GUEST_SECONDS = 120.0
"""A collection at every allocation makes some tests a hundred times slower."""
MEMORY = 16 << 20
_TIMED, _TRIES = ("extmod/asyncio_", "extmod/time_"), 3
"""Tests whose tasks sleep some milliseconds and must then come in that order, and how often each
may be late; on a busy machine, with a collection at every allocation, some are once in a while."""
_TICK = 0.5
_EVENT_WAIT, _CLOCKS = "wait", ("now_ns", "monotonic_ns")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one test said, and how it ended."""

    said: bytes
    end: str

    @property
    def skipped(self) -> bool:
        return self.said.strip() == b"SKIP"


@dataclass(frozen=True, slots=True)
class Compared:
    """One test on both."""

    name: str
    native: Outcome
    guest: Outcome
    seconds: float

    @property
    def same(self) -> bool:
        return (self.native.said, self.native.end) == (self.guest.said, self.guest.end)


class Suite:
    """Runs tests; close it after the last."""

    def __init__(self, tests: Path, native: Path, guest: Path) -> None:
        self.tests = tests
        self._native = native
        self._engine = wasmtime.Engine(_config())
        self._module = wasmtime.Module.from_file(self._engine, str(guest))
        self._closed = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()

    def close(self) -> None:
        self._closed.set()
        self._ticker.join()

    def names(self) -> list[str]:
        """Of all tests, sorted: `basics/int_big_add.py`."""
        return [
            f"{folder}/{test.name}"
            for folder in FOLDERS
            for test in sorted((self.tests / folder).glob("*.py"))
        ]

    def compare(self, names: list[str], jobs: int = 2) -> Iterator[Compared]:
        """Every test that runs natively, on both."""
        with ThreadPoolExecutor(jobs) as pool:
            for compared in pool.map(self._compare, names):
                if compared is not None:
                    yield compared

    def _compare(self, name: str) -> Compared | None:
        with TemporaryDirectory() as folder:
            home = Path(folder)
            (home / "main.py").write_bytes((self.tests / name).read_bytes())
            native = self._on_this_machine(home)
            if native is None or native.skipped:
                return None
            begun = time.monotonic()
            guest = self.in_the_guest(home)
            for _ in range(_TRIES if name.startswith(_TIMED) else 0):
                if guest == native:
                    break
                native = self._on_this_machine(home) or native
                guest = self.in_the_guest(home)
            return Compared(name, native, guest, time.monotonic() - begun)

    def _on_this_machine(self, home: Path) -> Outcome | None:
        try:
            done = subprocess.run(
                [self._native], cwd=home, capture_output=True, timeout=NATIVE_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return None
        return Outcome(done.stdout, str(done.returncode))

    def in_the_guest(self, home: Path) -> Outcome:
        """What `main.py` in a folder does as an app."""
        store = wasmtime.Store(self._engine)
        system = wasmtime.WasiConfig()
        system.argv = ["test"]
        said = home / "said"
        system.stdout_file = str(said)
        system.stderr_file = "/dev/null"
        system.preopen_dir(str(home), "/app")
        store.set_wasi(system)
        store.set_limits(memory_size=MEMORY)
        store.set_epoch_deadline(int(GUEST_SECONDS / _TICK))
        end = "0"
        try:
            instance = _linker(self._engine, self._module).instantiate(store, self._module)
            main = instance.exports(store)["_start"]
            assert isinstance(main, wasmtime.Func)
            main(store)
        except wasmtime.ExitTrap as left:
            end = str(left.code)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as trap:
            end = str(trap).strip().splitlines()[-1].strip()
        finally:
            store.close()
        return Outcome(said.read_bytes(), end)

    def _tick(self) -> None:
        while not self._closed.wait(_TICK):
            self._engine.increment_epoch()


def _config() -> wasmtime.Config:
    """As a node's, but for memory that wasmtime itself provides."""
    config = engine_config()
    config.memory_reservation = 1 << 32
    return config


def _linker(engine: wasmtime.Engine, module: wasmtime.Module) -> wasmtime.Linker:
    """WASI of wasmtime's own, for exact bytes of what is printed, and a node that grants nothing."""
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    known = {
        (provider.name, function.name): function
        for provider in MODULES
        for function in provider.functions
    }
    for wanted in module.imports:
        function = known.get((wanted.module, wanted.name or ""))
        if function is None or not wanted.module.startswith("skerry_"):
            continue
        linker.define_func(wanted.module, function.name, function.type(), _answer(function.name))
    return linker


def _answer(name: str):
    if name == _EVENT_WAIT:
        return lambda timeout_ms, _buffer, _capacity: time.sleep(max(0, timeout_ms) / 1000) or 0
    if name in _CLOCKS:
        return time.time_ns if name == "now_ns" else time.monotonic_ns
    return lambda *_arguments: -63
