"""wasmtime's bindings without the functions that nothing on a board calls.

They name 762 functions of the C API when they are imported, of which a board needs some 200; the
others take 1.6 MiB of an agent's memory. What stays is what other modules mention, and what that needs.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Set
from pathlib import Path

_WORD = re.compile(r"\w+")
_PACKAGE = "wasmtime"
_BINDINGS = "_bindings.py"
_OURS = Path(__file__).parent.parent.parent / "edge"
_COMPONENT = "component"
"""A subpackage for another kind of guest, which the package itself does not import."""


def prune_bindings(site: Path) -> None:
    """Rewrite the bindings in `site` for the rest of their package and the agent's sources here."""
    package = site / _PACKAGE
    users = [path for path in package.glob("*.py") if path.name != _BINDINGS]
    words = {
        word for path in (*users, *_OURS.rglob("*.py")) for word in _WORD.findall(path.read_text())
    }
    bindings = package / _BINDINGS
    bindings.write_text(pruned(bindings.read_text(), words))
    for path in sorted((package / _COMPONENT).rglob("*.py")):
        path.unlink()


def pruned(source: str, words: Set[str]) -> str:
    """The module with the definitions whose names are among `words`, and those they need.

    A name in a string counts as used, too. Statements that define no name stay.
    """
    tree = ast.parse(source)
    parts: defaultdict[str, list[ast.stmt]] = defaultdict(list)
    always: list[ast.stmt] = []
    for statement in tree.body:
        name = _defined(statement)
        (parts[name] if name is not None else always).append(statement)
    kept = set(map(id, always))
    waiting = list(_mentioned(always) | words)
    while waiting:
        name = waiting.pop()
        if name in parts:
            statements = parts.pop(name)
            kept.update(map(id, statements))
            waiting += _mentioned(statements)
    left = [statement for statement in tree.body if id(statement) in kept]
    return ast.unparse(ast.Module(left, []))


def _defined(statement: ast.stmt) -> str | None:
    """The name that a statement defines, or completes, as `_f.argtypes = …` does."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=name))]):
            return name
        case _:
            return None


def _mentioned(statements: Iterable[ast.stmt]) -> set[str]:
    return {word for each in statements for word in _WORD.findall(ast.unparse(each))}
