"""Modules without the definitions that nothing on a board names; above all wasmtime's bindings.

These name 762 functions of the C API when they are imported, of which a board needs some 200; the
others take 1.6 MiB of an agent's memory. What stays is what other modules mention, and what that needs.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Set
from pathlib import Path

_WORD = re.compile(r"\w+")
_AS_PROGRAM = "__name__ == '__main__'"
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
    bindings.write_text(shortened(pruned(bindings.read_text(), words)))
    for path in sorted((package / _COMPONENT).rglob("*.py")):
        path.unlink()


def pruned(source: str, words: Set[str]) -> str:
    """The module with the definitions whose names are among `words`, and those they need.

    A name in a string counts as used, too. Statements that define no name stay, but for docstrings,
    `__all__`, and what a module does when it is run as a program.
    """
    tree = _Undocumented().visit(ast.parse(source))
    tree.body = [single for statement in tree.body for single in _singles(statement)]
    parts: defaultdict[str, list[ast.stmt]] = defaultdict(list)
    always: list[ast.stmt] = []
    for statement in tree.body:
        if _is_needless(statement):
            continue
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


def shortened(source: str) -> str:
    """The module with each function that only passes its arguments on as another name of that one."""
    tree = ast.parse(source)
    tree.body = [_other_name(statement) or statement for statement in tree.body]
    return ast.unparse(ast.fix_missing_locations(tree))


def _other_name(statement: ast.stmt) -> ast.stmt | None:
    match statement:
        case ast.FunctionDef(
            name=name,
            args=ast.arguments(posonlyargs=[], args=args, vararg=None, kwonlyargs=[], kwarg=None),
            body=[ast.Return(ast.Call(func=ast.Name() as called, args=passed, keywords=[]))],
        ) if [arg.arg for arg in args] == [ast.unparse(each) for each in passed]:
            return ast.Assign([ast.Name(name, ast.Store())], called)
        case _:
            return None


class _Undocumented(ast.NodeTransformer):
    """Takes out docstrings: their words are no use of anything."""

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return ast.copy_location(ast.Pass(), node) if is_text else node


def _is_needless(statement: ast.stmt) -> bool:
    """What it does as a program, and the names for `import *`, which would keep all of it."""
    match statement:
        case ast.If(test=test):
            return ast.unparse(test) == _AS_PROGRAM
        case ast.Pass() | ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case _:
            return False


def _singles(statement: ast.stmt) -> list[ast.stmt]:
    """An import of several names as one of each, so that each can stay or go."""
    match statement:
        case ast.Import(names=names):
            return [ast.Import([alias]) for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            return [ast.ImportFrom(module, [alias], level) for alias in names]
        case _:
            return [statement]


def _defined(statement: ast.stmt) -> str | None:
    """The name that a statement defines, or completes, as `_f.argtypes = …` does."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case ast.Assign(targets=[ast.Attribute() as target]):
            return ast.unparse(target).partition(".")[0]
        case ast.ImportFrom(module="__future__"):
            return None
        case ast.Import(names=[alias]) | ast.ImportFrom(names=[alias]) if alias.name != "*":
            return alias.asname or alias.name.partition(".")[0]
        case _:
            return None


def _mentioned(statements: Iterable[ast.stmt]) -> set[str]:
    return {word for each in statements for word in _WORD.findall(ast.unparse(each))}
