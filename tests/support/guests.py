"""Small guests for tests, and a node around them.

- `wat` and `c` build modules from text.
- `Script` builds a guest that makes host calls one after the other and tells each result.
- `Node` runs guests on a real engine against simulated hardware and services in memory.
"""

import hashlib
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import wasmtime

from edge.sandbox.compiler import compile_bytes
from edge.sandbox.engine import Engine, engine_config
from edge.sandbox.errors import AgainError
from edge.sandbox.exits import Exit
from edge.sandbox.guest import Guest
from edge.sandbox.host import MODULES
from edge.sandbox.services import Value
from edge.sandbox.setup import GpioGrant, GuestSetup, HardwareGrant, I2CGrant, SerialGrant
from edge.wire.manifest import AppManifest
from hal.board import Board
from hal.gpio import Direction, Edge, LineConfig, Pull
from hal.i2c import parse_device_name
from hal.serial import SerialConfig

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "guests"
SDK = ROOT / "wasm_apps" / "sdk" / "c"

FUNCTIONS = {
    f"{module.name}.{function.name}": function
    for module in MODULES
    for function in module.functions
}

_compiler = wasmtime.Engine(engine_config())


def wat(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


def c(source: str) -> bytes:
    """A C program for wasm32-wasi; built once, then taken from the cache."""
    # Zig gives a program 16 MiB of stack unless told otherwise.
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-Os"]
    command += ["-Wl,-z,stack-size=65536", "-Wl,--strip-debug"]
    key = hashlib.sha256(repr((command[2:], source)).encode()).hexdigest()[:24]
    built = CACHE / f"{key}.wasm"
    if not built.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        text = CACHE / f"{key}.c"
        text.write_text(source)
        part = CACHE / f"{key}.part"
        subprocess.run([*command, f"-I{SDK}", "-o", str(part), str(text)], check=True)
        part.rename(built)
    return built.read_bytes()


class Services:
    """HostServices in memory; remembers everything, full when told to be."""

    def __init__(self) -> None:
        self.packs: list[tuple[str, bytes, int]] = []
        self.kv: dict[str, bytes] = {}
        self.twin: dict[str, bytes] = {}
        self.reported: list[tuple[str, Value]] = []
        self.lines: list[tuple[int, str]] = []
        self.logged = threading.Condition()
        self.full = False
        self.synced = True
        self.broken = False

    def publish(self, stream: str, payload: bytes, records: int) -> None:
        if self.full:
            raise AgainError("the outbox is full")
        if self.broken:
            raise RuntimeError("a bug in the agent")
        self.packs.append((stream, payload, records))

    def flush(self, timeout: float) -> bool:
        if not self.synced:
            threading.Event().wait(timeout)
        return self.synced

    def kv_get(self, key: str) -> bytes | None:
        return self.kv.get(key)

    def kv_set(self, key: str, value: bytes) -> None:
        self.kv[key] = value

    def kv_delete(self, key: str) -> bool:
        return self.kv.pop(key, None) is not None

    def kv_keys(self, prefix: str) -> Sequence[str]:
        return sorted(key for key in self.kv if key.startswith(prefix))

    def kv_bytes(self) -> int:
        return sum(len(key.encode()) + len(value) for key, value in self.kv.items())

    def twin_get(self, name: str) -> bytes | None:
        return self.twin.get(name)

    def twin_report(self, name: str, value: Value) -> None:
        self.reported.append((name, value))

    def log(self, level: int, text: str) -> None:
        with self.logged:
            self.lines.append((level, text))
            self.logged.notify_all()

    def wait_for_line(self, wanted: str, count: int = 1) -> None:
        """Wait until that many lines contain `wanted`."""
        with self.logged:
            assert self.logged.wait_for(lambda: self.count(wanted) >= count, 20), self.lines

    def count(self, wanted: str) -> int:
        return sum(wanted in text for _, text in self.lines)


# --- a guest that makes one call after the other -----------------------------------------------

_RESULTS = 0x1000
_HEX = 0x8000
_DATA = 0x10000
_PAGES = 8
MEMORY_END = _PAGES * 65536
_MARK = "results:"


@dataclass(frozen=True)
class Result:
    """Where the result of a call lies in the guest; as an argument it stands for the value."""

    address: int
    size: int = 8


@dataclass(frozen=True)
class U32At:
    """An argument that the guest loads from its memory when it makes the call."""

    address: int


Argument = int | Result | U32At


class Script:
    """Builds the guest. `call` and `show` say what will be in the list that `values` returns."""

    def __init__(self) -> None:
        self._body: list[str] = []
        self._segments: list[tuple[int, bytes]] = []
        self._free = _DATA
        self._next = _RESULTS
        self._shown: list[tuple[Result, bool]] = []

    def data(self, content: bytes) -> tuple[int, int]:
        """Bytes in the guest's memory: (pointer, length)."""
        at = self.buffer(len(content))
        self._segments.append((at, content))
        return at, len(content)

    def buffer(self, size: int) -> int:
        at = self._free
        self._free += (size + 15) // 8 * 8
        return at

    def call(self, name: str, *arguments: Argument) -> Result:
        """Call `module.function`; the result is an integer among `values`."""
        function = FUNCTIONS[name]
        assert len(arguments) == len(function.params), name
        pushed = " ".join(map(_push, arguments, function.params))
        called = f"(call ${name} {pushed})"
        result = self._slot(8, number=True)
        if function.results == "i":
            called = f"(i64.extend_i32_s {called})"
        self._body.append(
            f"(i64.store (i32.const {result.address}) {called})" if function.results else called
        )
        return result

    def show(self, address: int, size: int) -> Result:
        """Copy memory as it is now; it is bytes among `values`."""
        result = self._slot(size, number=False)
        self.raw(
            f"(memory.copy (i32.const {result.address}) (i32.const {address}) (i32.const {size}))"
        )
        return result

    def raw(self, code: str) -> None:
        """Instructions in between."""
        self._body.append(code)

    def module(self) -> bytes:
        imports = "\n".join(_import(name) for name in FUNCTIONS)
        segments = "\n".join(
            f'(data (i32.const {at}) "{_escaped(content)}")' for at, content in self._segments
        )
        assert self._free <= MEMORY_END
        assert self._next <= _HEX
        return wat(
            f"""(module {imports} (memory (export "memory") {_PAGES}) {segments}
            (data (i32.const {_HEX}) "{_MARK}")
            {_TELL}
            (func (export "_start") {" ".join(self._body)} (call $tell)))""".replace(
                "$LENGTH", str(self._next - _RESULTS)
            )
        )

    def values(self, services: Services) -> list[Any]:
        """What the guest told: one value for each `call` and `show`, in order."""
        told = [text for _, text in services.lines if text.startswith(_MARK)][-1]
        raw = bytes.fromhex(told[len(_MARK) :])
        found: list[Any] = []
        for result, number in self._shown:
            at = result.address - _RESULTS
            piece = raw[at : at + result.size]
            found.append(int.from_bytes(piece, "little", signed=True) if number else piece)
        return found

    def _slot(self, size: int, *, number: bool) -> Result:
        result = Result(self._next, size)
        self._next += (size + 7) // 8 * 8
        self._shown.append((result, number))
        return result


_TELL = f"""(func $tell (local $i i32) (local $b i32)
  (block (loop (br_if 1 (i32.ge_u (local.get $i) (i32.const $LENGTH)))
    (local.set $b (i32.load8_u (i32.add (i32.const {_RESULTS}) (local.get $i))))
    (i32.store8 (i32.add (i32.const {_HEX + len(_MARK)}) (i32.shl (local.get $i) (i32.const 1)))
      (call $digit (i32.shr_u (local.get $b) (i32.const 4))))
    (i32.store8 (i32.add (i32.const {_HEX + len(_MARK) + 1}) (i32.shl (local.get $i) (i32.const 1)))
      (call $digit (i32.and (local.get $b) (i32.const 15))))
    (local.set $i (i32.add (local.get $i) (i32.const 1))) (br 0)))
  (drop (call $skerry_log.write (i32.const 7) (i32.const {_HEX})
    (i32.add (i32.const {len(_MARK)}) (i32.shl (i32.const $LENGTH) (i32.const 1))))))
(func $digit (param $d i32) (result i32)
  (i32.add (local.get $d) (select (i32.const 48) (i32.const 87)
    (i32.lt_u (local.get $d) (i32.const 10)))))"""


def _escaped(content: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in content)


def _import(name: str) -> str:
    module, _, function = name.rpartition(".")
    kinds = {"i": "i32", "I": "i64"}
    described = FUNCTIONS[name]
    params = " ".join(kinds[letter] for letter in described.params)
    results = "".join(f"(result {kinds[letter]})" for letter in described.results)
    return f'(import "{module}" "{function}" (func ${name} (param {params}) {results}))'


def _push(argument: Argument, kind: str) -> str:
    letter = {"i": "i32", "I": "i64"}[kind]
    if isinstance(argument, int):
        return f"({letter}.const {argument})"
    return f"({letter}.load (i32.const {argument.address}))"


# --- a node around it --------------------------------------------------------------------------


@dataclass
class Node:
    """An engine, a directory and services; `manifest` and `limits` are those of the next guest."""

    engine: Engine
    directory: Path
    board: Board | None = None
    services: Services = field(default_factory=Services)
    manifest: dict[str, Any] = field(default_factory=dict[str, Any])
    limits: dict[str, Any] = field(default_factory=dict[str, Any])
    resources: Mapping[str, str] = field(default_factory=dict[str, str])
    """Grant name → resource of the board."""

    @property
    def data(self) -> Path:
        """The guest's `/data`."""
        directory = self.directory / "data"
        directory.mkdir(exist_ok=True)
        return directory

    def guest(self, wasm: bytes, **more: Any) -> Guest:
        """A guest of this module; `more` replaces parts of its setup."""
        compiled = self.directory / f"{hashlib.sha256(wasm).hexdigest()}.cwasm"
        if not compiled.exists():
            compiled.write_bytes(compile_bytes(_compiler, wasm))
        return Guest(self.engine, compiled, self.setup(**more))

    def setup(self, **more: Any) -> GuestSetup:
        manifest = msgspec.convert(
            {"name": "probe-app", "version": "1.0.0", "limits": self.limits, **self.manifest},
            AppManifest,
        )
        wanted = {
            "manifest": manifest,
            "limits": manifest.limits,
            "services": self.services,
            "data_dir": self.data,
            "grants": self._grants(manifest),
        }
        return GuestSetup(**(wanted | more))

    def run(self, wasm: bytes, **more: Any) -> Exit:
        return self.guest(wasm, **more).run()

    def play(self, script: Script, **more: Any) -> list[Any]:
        """Run a script to its end; the results of its calls."""
        end = self.run(script.module(), **more)
        assert end.code == 0, end
        return script.values(self.services)

    def _grants(self, manifest: AppManifest) -> dict[str, HardwareGrant]:
        grants: dict[str, HardwareGrant] = {}
        for name, resource in self.resources.items():
            assert self.board is not None
            grants[name] = _opener(self.board, manifest, name, resource)
        return grants


def _opener(board: Board, manifest: AppManifest, name: str, resource: str) -> HardwareGrant:
    wish = manifest.grants[name]
    if wish.kind.value == "gpio":
        config = LineConfig(
            direction=Direction(wish.direction),
            pull=Pull(wish.pull),
            edge=Edge(wish.edge),
            active_low=wish.active_low,
            initial=wish.initial,
        )
        return GpioGrant(lambda: board.open_line(resource, config))
    if wish.kind.value == "i2c":
        bus, address = parse_device_name(resource)
        return I2CGrant(lambda: board.open_i2c(bus, address))
    return SerialGrant(lambda: board.open_serial(resource, SerialConfig(wish.baudrate)))


class Running:
    """A started guest; `end` waits for its exit."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self._ends: list[Exit] = []
        self._thread = guest.start(self._ends.append)

    def end(self, timeout: float = 30) -> Exit:
        self._thread.join(timeout)
        assert self._ends, "it still runs"
        return self._ends[0]

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()


def forever(body: str, imports: str = "") -> bytes:
    """A guest that loops over `body`."""
    return wat(
        f'(module {imports} (memory (export "memory") 1) (func (export "_start") (loop {body} (br 0))))'
    )
