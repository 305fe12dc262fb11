"""Modules into code: what is refused and why, and a cache that never lies."""

import asyncio
import os
from pathlib import Path

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.sandbox.compile import compile_module, sweep
from edge.sandbox.compiler import compile_bytes
from edge.sandbox.engine import engine_config
from edge.sandbox.errors import (
    CompileCrashedError,
    CompileTimeoutError,
    InvalidModuleError,
    UnknownImportError,
)
from edge.sandbox.exits import ExitKind
from edge.sandbox.guest import Guest
from edge.wire.limits import MODULE_LIMIT
from tests.support.guests import Node, wat

GOOD = wat('(module (memory (export "memory") 1) (func (export "_start")))')
ENGINE = wasmtime.Engine(engine_config())


def written(directory: Path, wasm: bytes) -> Path:
    module = directory / "module.wasm"
    module.write_bytes(wasm)
    return module


def compiled(directory: Path, wasm: bytes = GOOD) -> Path:
    return asyncio.run(compile_module(written(directory, wasm), directory / "cache"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '(module (import "env" "abort" (func)) (memory (export "memory") 1)'
            ' (func (export "_start")))',
            "imports env.abort, which this node does not have",
        ),
        (
            '(module (import "skerry_gpio" "read" (func (param i64) (result i32)))'
            ' (memory (export "memory") 1) (func (export "_start")))',
            "imports skerry_gpio.read as (i64) -> (i32), it is (i32) -> (i32)",
        ),
        (
            '(module (import "skerry_gpio" "read" (global i32)) (memory (export "memory") 1)'
            ' (func (export "_start")))',
            "something other than a function",
        ),
        (
            '(module (import "env" "memory" (memory 1)) (export "memory" (memory 0))'
            ' (func (export "_start")))',
            "imports env.memory",
        ),
    ],
)
def test_an_import_outside_the_abi_is_refused_by_name(text: str, words: str):
    with pytest.raises(UnknownImportError) as refused:
        compile_bytes(ENGINE, wat(text))
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("wasm", "words"),
    [
        (b"", "does not begin with"),
        (b"(module)", "does not begin with"),
        (b"\x7fELF" + bytes(100), "does not begin with"),
        (b"\0asm\x0d\0\x01\0", "component"),
        (GOOD[:-3], "invalid module"),
        (wat('(module (memory (export "memory") 1))'), "_start"),
        (wat('(module (memory 1) (func (export "_start")))'), "`memory`"),
        (
            wat('(module (memory (export "memory") 1) (func (export "_start") (param i32)))'),
            "_start",
        ),
        (
            wat('(module (memory (export "memory") 16385) (func (export "_start")))'),
            "1073807360 bytes of memory",
        ),
        (wat('(module (memory (export "memory") i64 1) (func (export "_start")))'), "invalid"),
        (
            wat('(module (memory (export "memory") 1 2 shared) (func (export "_start")))'),
            "invalid",
        ),
        (
            wat('(module (memory (export "memory") 1) (memory 1) (func (export "_start")))'),
            "inval",
        ),
        (b"\0asm\x01\0\0\0" + bytes(MODULE_LIMIT), "at most"),
    ],
)
def test_a_module_that_cannot_run_is_refused_with_the_reason(wasm: bytes, words: str):
    with pytest.raises(InvalidModuleError) as refused:
        compile_bytes(ENGINE, wasm)
    assert words in str(refused.value)


@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_a_mutated_module_compiles_or_is_refused_but_never_crashes(
    changes: list[tuple[int, int]],
):
    wasm = bytearray(_RICH)
    for at, value in changes:
        wasm[8 + at % (len(wasm) - 8)] = value
    try:
        compile_bytes(ENGINE, bytes(wasm))
    except InvalidModuleError as refused:
        assert str(refused)  # noqa: PT017  both outcomes are fine, silence is not


_RICH = wat(
    """(module (import "skerry_event" "wait" (func $wait (param i64 i32 i32) (result i32)))
    (memory (export "memory") 1) (table 3 funcref) (elem (i32.const 0) $a $b)
    (global $g (mut i32) (i32.const 5)) (data (i32.const 8) "some data") (tag $t (param i32))
    (func $a (result i32) (i32.const 1)) (func $b (result i32) (call $wait (i64.const 0)
    (i32.const 0) (i32.const 32)))
    (func (export "_start") (local $i i32) (block (loop (br_if 1 (global.get $g))
    (drop (call_indirect (result i32) (local.get $i))) (br 0)))))"""
)


# --- through the child, and the cache ----------------------------------------------------------


def test_compiled_code_runs_and_is_compiled_only_once(node: Node):
    first = compiled(node.directory)
    stamp = first.stat().st_ino
    again = compiled(node.directory)
    assert (again, again.stat().st_ino) == (first, stamp)
    assert Guest(node.engine, again, node.setup()).run().kind is ExitKind.EXITED
    assert [file.name for file in first.parent.iterdir()] == [first.name]


def test_a_damaged_file_in_the_cache_is_compiled_again(node: Node):
    first = compiled(node.directory)
    whole = first.read_bytes()
    middle = len(whole) // 2
    first.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    assert compiled(node.directory).read_bytes() == whole
    first.write_bytes(whole[:-1])
    assert compiled(node.directory).read_bytes() == whole


def test_the_child_tells_what_is_wrong_with_a_module(tmp_path: Path):
    with pytest.raises(UnknownImportError, match=r"env\.abort"):
        compiled(tmp_path, wat('(module (import "env" "abort" (func)))'))
    with pytest.raises(InvalidModuleError, match="does not begin"):
        compiled(tmp_path, b"text")
    assert not list((tmp_path / "cache").iterdir())


def test_a_module_too_large_is_refused_without_a_child(tmp_path: Path):
    module = written(tmp_path, b"")
    os.truncate(module, MODULE_LIMIT + 1)
    with pytest.raises(InvalidModuleError, match="at most"):
        asyncio.run(compile_module(module, tmp_path / "cache"))


def test_a_compiler_that_takes_too_long_is_ended(tmp_path: Path):
    with pytest.raises(CompileTimeoutError):
        asyncio.run(compile_module(written(tmp_path, GOOD), tmp_path / "cache", timeout=0.001))
    assert not list((tmp_path / "cache").iterdir())


def test_a_compiler_that_dies_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("edge.sandbox.compile._ENTRY", "raise SystemExit('out of luck')")
    with pytest.raises(CompileCrashedError, match="out of luck"):
        compiled(tmp_path)
    monkeypatch.setattr("edge.sandbox.compile._ENTRY", "import os; os.abort()")
    with pytest.raises(CompileCrashedError, match="SIGABRT"):
        compiled(tmp_path)


def test_the_sweep_removes_what_was_used_longest_ago_but_never_what_is_kept(tmp_path: Path):
    for age, letter in enumerate("abcd"):
        file = tmp_path / f"{letter * 64}-0-0.cwasm"
        file.write_bytes(bytes(100))
        os.utime(file, (age, age))
    (tmp_path / "half.part").write_bytes(bytes(7))
    assert sweep(tmp_path, keep={"a" * 64}, limit=250) == 207
    assert sorted(file.name[0] for file in tmp_path.iterdir()) == ["a", "d"]
