"""Apps in Python for tests: their source, on a node around them."""

from pathlib import Path
from typing import Any

from boards.python_guest import runtime
from edge.sandbox.exits import Exit
from tests.support.guests import ROOT, Node, Running

CACHE = ROOT / ".cache" / "boards"
MEMORY = 1 << 20
"""Bytes for an app in a test that is not about memory."""


def python(node: Node, **files: str | bytes) -> dict[str, Any]:
    """What to hand to `node.guest` and `node.run`; `main="..."` is `/app/main.py`."""
    node.limits.setdefault("memory", MEMORY)
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


def module() -> bytes:
    """The runtime; built once, which takes minutes."""
    return _path().read_bytes()


def _path() -> Path:
    return runtime(CACHE, print)


def _name(key: str) -> str:
    return key if "." in key else f"{key}.py"


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
