"""The runtime of Python apps: built the same twice, and right while it collects garbage always."""

import json
import tomllib
from pathlib import Path

import pytest
import wasmtime

from boards.image.errors import BuildError
from boards.micropython import tree
from boards.python_guest import MADE, PORT, native, runtime
from tests.support.python_app import CACHE
from tests.support.python_suite import Suite
from tests.support.system import skerry

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

DIFFERS: dict[str, str] = tomllib.loads(Path(__file__).with_name("python_suite.toml").read_text())[
    "differs"
]
COMPARED = 750
"""Tests that run natively on the port as it is configured; fewer would mean that the gate opened."""
STRESSED = ("-DCOLLECT_ALWAYS=1", "-DCOLLECT_PROBE=1")
"""A collection at every allocation, and functions that show what the collector finds."""


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = runtime(CACHE, print)
    cache = tmp_path / "cache"
    cache.mkdir()
    for kept in ("micropython", "sources", "npm"):
        (cache / kept).symlink_to(CACHE / kept)
    assert runtime(cache, print).read_bytes() == first.read_bytes()
    # Not the commit of the checkout that the cache lies in.
    assert b"MicroPython v1.25.0 on 1970-01-01" in first.read_bytes()


def test_the_command_makes_a_module_that_a_node_accepts(tmp_path: Path) -> None:
    out = tmp_path / MADE
    said = skerry("app", "runtime", "-o", str(out), "--cache", str(CACHE)).stdout
    assert f"{out.stat().st_size} bytes" in said
    assert "sha256:" in said
    module = wasmtime.Module.from_file(_engine(), str(out))
    homes = {wanted.module for wanted in module.imports}
    assert "wasi_snapshot_preview1" in homes
    assert all(home.startswith(("wasi_snapshot_preview1", "skerry_")) for home in homes)


def test_the_tools_of_npm_are_pinned_by_content_and_by_no_host() -> None:
    locked = json.loads((PORT / "package-lock.json").read_text())["packages"]
    tools = {name: package for name, package in locked.items() if name}
    assert tools
    for package in tools.values():
        assert package["integrity"].startswith("sha512-")
        assert "resolved" not in package


def test_micropythons_own_tests_end_as_on_this_machine_with_a_collection_at_every_allocation():
    suite = Suite(
        tree(CACHE, print) / "tests",
        native(CACHE, print),
        runtime(CACHE, print, STRESSED, refuse=False),
    )
    try:
        compared = list(suite.compare(suite.names()))
    finally:
        suite.close()
    assert len(compared) >= COMPARED
    differing = {test.name: test for test in compared if not test.same}
    news = [differing[name] for name in differing.keys() - DIFFERS.keys()]
    assert not news, news
    assert differing.keys() == DIFFERS.keys()


def test_two_pointers_in_one_local_would_be_lost_and_a_module_that_could_is_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(BuildError, match="packed keeps 64-bit local"):
        runtime(CACHE, print, STRESSED)
    (tmp_path / "main.py").write_text(
        # Allocating the second of a pair must not collect the first, which nothing holds yet.
        "import _probe, gc\n"
        "gc.threshold(-1)\n"
        "print(_probe.packed() + _probe.packed(), _probe.apart() + _probe.apart())\n"
    )
    suite = Suite(tmp_path, tmp_path, runtime(CACHE, print, STRESSED, refuse=False))
    try:
        said = suite.in_the_guest(tmp_path).said.split()
    finally:
        suite.close()
    assert int(said[0]) < 4
    assert int(said[1]) == 4


def _engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.wasm_exceptions = True
    return wasmtime.Engine(config)
