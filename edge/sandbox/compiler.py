"""The child that compiles: reads one module, checks it, writes the code, and dies.

Runs as `python -c "from edge.sandbox.compiler import main; main()" MODULE DIGEST OUT`, so that
neither a crash nor the memory it takes is the agent's. Exit status 0: OUT is complete and on
disk. REFUSED: standard output says why, as `kind` and message separated by a newline.
"""

import hashlib
import os
import resource
import sys
from pathlib import Path

from wasmtime import Engine, FuncType, MemoryType, Module, WasmtimeError

from edge.sandbox.engine import engine_config
from edge.sandbox.errors import InvalidModuleError, UnknownImportError
from edge.sandbox.host import MODULES
from edge.wire.limits import MODULE_LIMIT

REFUSED = 65
"""Exit status for a module that cannot run here (sysexits: EX_DATAERR)."""
UNKNOWN_IMPORT = "import"
INVALID = "module"

MEMORY_LIMIT = 1 << 30
"""Bytes of memory a module may start with: the highest limit a manifest can ask for."""
PAGE = 65536
MESSAGE_LIMIT = 2000
"""Characters of an explanation."""

ADDRESS_SPACE = 1 << 30
"""Bytes the child may map: its libraries take 0.3 GB, compiling MicroPython 33 MB."""
CPU_SECONDS = 300
"""CPU the child may use; MicroPython takes 0.25 s on a desk, some seconds on a Zero 2 W."""

MAGIC = b"\0asm"
CORE_VERSION = b"\x01\0\0\0"


def check_bytes(wasm: bytes) -> None:
    """Raise InvalidModuleError unless these could be a core module of allowed size."""
    if len(wasm) > MODULE_LIMIT:
        raise InvalidModuleError(
            f"the module has {len(wasm)} bytes, at most {MODULE_LIMIT} run here"
        )
    if wasm[:4] != MAGIC:
        raise InvalidModuleError("not a WebAssembly module: it does not begin with \\0asm")
    if wasm[4:8] != CORE_VERSION:
        raise InvalidModuleError(
            "not a core WebAssembly module (a component?): build for wasm32-wasi preview 1"
        )


def compile_bytes(engine: Engine, wasm: bytes) -> bytes:
    """Compiled code of a module that keeps to the guest ABI; raises InvalidModuleError."""
    check_bytes(wasm)
    try:
        module = Module(engine, wasm)
    except WasmtimeError as error:
        raise InvalidModuleError(f"invalid module: {error}") from None
    _check_imports(module)
    _check_exports(module)
    return bytes(module.serialize())


def _check_imports(module: Module) -> None:
    known = {
        (provider.name, function.name): function.type()
        for provider in MODULES
        for function in provider.functions
    }
    for wanted in module.imports:
        name = f"{wanted.module}.{wanted.name}"
        there = known.get((wanted.module, wanted.name or ""))
        if there is None:
            raise UnknownImportError(f"imports {name}, which this node does not have")
        if not isinstance(wanted.type, FuncType):
            raise UnknownImportError(f"imports {name} as something other than a function")
        if _shape(wanted.type) != _shape(there):
            raise UnknownImportError(
                f"imports {name} as {_shape(wanted.type)}, it is {_shape(there)}"
            )


def _shape(function: FuncType) -> str:
    """A function's type in words: `(i32, i32) -> (i32)`."""
    params = ", ".join(str(kind) for kind in function.params)
    return f"({params}) -> ({', '.join(str(kind) for kind in function.results)})"


def _check_exports(module: Module) -> None:
    exports = {export.name: export.type for export in module.exports}
    start = exports.get("_start")
    if not isinstance(start, FuncType) or _shape(start) != "() -> ()":
        raise InvalidModuleError(
            "does not export the function _start without arguments: no command"
        )
    memory = exports.get("memory")
    if not isinstance(memory, MemoryType):
        raise InvalidModuleError("does not export its memory under the name `memory`")
    if memory.limits.min * PAGE > MEMORY_LIMIT:
        raise InvalidModuleError(
            f"starts with {memory.limits.min * PAGE} bytes of memory, at most {MEMORY_LIMIT}"
        )


def _read(source: Path, digest: str) -> bytes:
    with source.open("rb") as file:
        wasm = file.read(MODULE_LIMIT + 1)
    if len(wasm) <= MODULE_LIMIT and hashlib.sha256(wasm).hexdigest() != digest:
        raise InvalidModuleError("the module changed while it was being read")
    return wasm


def main() -> None:
    """Compile as the arguments say; ends the process."""
    _, source, digest, target = sys.argv
    for what, limit in (
        (resource.RLIMIT_AS, ADDRESS_SPACE),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
    # Apps that run must not notice.
    os.nice(10)
    try:
        code = compile_bytes(Engine(engine_config()), _read(Path(source), digest))
    except InvalidModuleError as error:
        kind = UNKNOWN_IMPORT if isinstance(error, UnknownImportError) else INVALID
        sys.stdout.write(f"{kind}\n{str(error)[:MESSAGE_LIMIT]}")
        sys.stdout.flush()
        sys.exit(REFUSED)
    with Path(target).open("wb") as file:
        file.write(code)
        file.flush()
        os.fsync(file.fileno())
