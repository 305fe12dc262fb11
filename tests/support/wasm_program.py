"""Compiles a C or Zig program with our tool and runs it on wasmtime alone."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

import wasmtime

from wasm_apps.tool import Language, build, new

Import = tuple[str, str]


def output_of(
    directory: Path,
    language: Language,
    source: str,
    imports: Mapping[Import, Callable[..., int]] | None = None,
    files: Mapping[str, str] | None = None,
) -> bytes:
    """What the program writes to stdout; `imports` take i32 arguments and give an i32."""
    new("probe", language, directory)
    (directory / "src" / f"main.{language.value}").write_text(source)
    for name, text in (files or {}).items():
        (directory / "src" / name).write_text(text)
    engine = wasmtime.Engine()
    module = wasmtime.Module.from_file(engine, str(build(directory)))
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    for wanted in module.imports:
        function = (imports or {}).get((wanted.module, wanted.name or ""))
        if function is not None:
            assert isinstance(wanted.type, wasmtime.FuncType)
            linker.define_func(wanted.module, wanted.name or "", wanted.type, function)
    store = wasmtime.Store(engine)
    config = wasmtime.WasiConfig()
    config.stdout_file = str(directory / "stdout")
    store.set_wasi(config)
    instance = linker.instantiate(store, module)
    with contextlib.suppress(wasmtime.ExitTrap):  # how a Zig main that returns a status ends
        instance.exports(store)["_start"](store)
    return (directory / "stdout").read_bytes()
