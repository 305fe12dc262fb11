"""Apps in Python for tests: their source, on a node around them."""

import functools
import hashlib
from typing import Any

import wasmtime

from boards.python_guest import runtime
from edge.sandbox.compiler import compile_bytes
from edge.sandbox.engine import engine_config
from edge.sandbox.exits import Exit
from tests.support.guests import ROOT, Node, Running

CACHE = ROOT / ".cache" / "boards"
MEMORY = 1 << 20
"""Bytes for an app in a test that is not about memory."""


def python(node: Node, **files: str | bytes) -> dict[str, Any]:
    """What to hand to `node.guest` and `node.run`; `main="..."` is `/app/main.py`."""
    node.limits.setdefault("memory", MEMORY)
    # Where the node looks for code it has: compiling for each test would take longer than the test.
    (node.directory / f"{hashlib.sha256(module()).hexdigest()}.cwasm").write_bytes(_code())
    return {"wasm": module(), "files": {_name(key): _bytes(text) for key, text in files.items()}}


def run(node: Node, source: str, **files: str | bytes) -> Exit:
    """Run `/app/main.py` to its end."""
    return node.run(**python(node, main=source, **files))


def start(node: Node, source: str) -> Running:
    """Run it on a thread of its own."""
    return Running(node.guest(**python(node, main=source)))


def said(node: Node) -> list[str]:
    """Lines it has logged."""
    return [text for _, text in node.services.lines]


@functools.cache
def module() -> bytes:
    """The runtime; built once, which takes minutes."""
    return runtime(CACHE, print).read_bytes()


@functools.cache
def _code() -> bytes:
    return compile_bytes(wasmtime.Engine(engine_config()), module())


def _name(key: str) -> str:
    return key if "." in key else f"{key}.py"


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
