"""wasmtime's bindings as a board has them."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import wasmtime

from boards.image.prune import prune_bindings, pruned, shortened
from tests.support.system import ROOT

SOURCE = """
import ctypes
if True:
    always = helper
helper = 1
class used_t(ctypes.Structure):
    _fields_ = [("next", other_t)]
class other_t(ctypes.Structure):
    pass
_used = dll.used
_used.argtypes = [used_t]
def used(a):
    return _used(a)
_unused = dll.unused
_unused.argtypes = []
def unused():
    return _unused()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    shutil.copytree(Path(wasmtime.__file__).parent, place / "wasmtime")
    prune_bindings(place)
    return place


def test_what_is_used_stays_with_all_it_needs():
    left = pruned(SOURCE, {"used"})
    for word in ("import ctypes", "helper = 1", "used_t", "other_t", "_used.argtypes", "def used"):
        assert word in left
    assert "unused" not in left


IMPORTS = """
'''Says parse and spare.'''
from __future__ import annotations
import used, spare
from some import parse, other as kept
from all import *
__all__ = ["spare"]
def main():
    spare()
def wanted():
    '''Of spare.'''
    return used.thing(kept)
wanted.note.__doc__ = "…"
if __name__ == "__main__":
    main()
"""


def test_imports_go_with_what_used_them_and_docstrings_use_nothing():
    left = pruned(IMPORTS, {"wanted"})
    assert left.startswith("from __future__ import annotations\n")
    for word in ("import used", "import other as kept", "from all import *", "def wanted"):
        assert word in left
    for word in ("import spare", "parse", "main", "__all__"):
        assert word not in left


def test_a_function_that_only_passes_on_is_another_name():
    source = "def a(x, y):\n    return _a(x, y)\ndef b(x, y):\n    return _b(y, x)\n"
    assert shortened(source) == "a = _a\n\ndef b(x, y):\n    return _b(y, x)"


def test_every_name_that_others_ask_the_bindings_for_is_there(site: Path):
    text = (site / "wasmtime/_bindings.py").read_text()
    there = {
        name.id if isinstance(name, ast.Name) else getattr(name, "name", "")
        for statement in ast.parse(text).body
        for name in (*getattr(statement, "targets", ()), statement)
    }
    whole = set(re.findall(r"^def (\w+)", _whole(), re.MULTILINE))
    users = [*(site / "wasmtime").glob("*.py"), *(ROOT / "edge/sandbox").rglob("*.py")]
    asked = {
        word
        for path in users
        if path.name != "_bindings.py"
        for word in re.findall(r"\w+", path.read_text())
    }
    assert asked & whole <= there
    assert len(there & whole) < len(whole) / 2


def test_a_guest_runs_on_what_is_left(site: Path):
    program = """
import wasmtime
assert wasmtime.__file__.startswith(PLACE), wasmtime.__file__
import pytest, sys
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *FILES]))
"""
    files = [f"tests/unit/sandbox/test_sandbox_{name}.py" for name in ("ends", "pointers")]
    program = f"PLACE = {str(site)!r}; FILES = {files!r}\n{program}"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r})\n{program}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def _whole() -> str:
    return (Path(wasmtime.__file__).parent / "_bindings.py").read_text()
