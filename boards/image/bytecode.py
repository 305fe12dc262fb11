"""Sources become bytecode, in a child whose interpreter keeps no columns.

A traceback marks the column only when it can show the source line, and no board has sources; the
tables would take half a megabyte of an agent's memory. Whether the compiler makes them is fixed
when an interpreter starts: `python -X no_debug_ranges -m boards.image.bytecode TREE SHOWN`.
"""

import importlib.util
import marshal
import sys
from pathlib import Path

from boards.image.errors import BuildError
from boards.image.tools import run

VERSION = "3.11"
_UNCHECKED_HASH = 0b01
"""Flag word of a .pyc that is never compared with its source (PEP 552)."""
_PROJECT = Path(__file__).parent.parent.parent


def compile_tree(tree: Path, shown: str) -> None:
    """Turn every `.py` below `tree` into a `.pyc` in its place; `shown` is its name on the board.

    Asserts and docstrings go, as under `-OO`. Needs the board's version of Python here.
    """
    if f"{sys.version_info.major}.{sys.version_info.minor}" != VERSION:
        raise BuildError(f"images are built with Python {VERSION}: its bytecode goes into them")
    child = (sys.executable, "-X", "no_debug_ranges", "-m", "boards.image.bytecode")
    run([*child, tree.absolute(), shown], at=_PROJECT)


def _compile_all(tree: Path, shown: str) -> None:
    for source in sorted(tree.rglob("*.py")):
        name = f"{shown}/{source.relative_to(tree)}"
        code = compile(source.read_bytes(), name, "exec", dont_inherit=True, optimize=2)
        source.with_suffix(".pyc").write_bytes(_pyc(marshal.dumps(code), source.read_bytes()))
        source.unlink()


def _pyc(code: bytes, source: bytes) -> bytes:
    magic = importlib.util.MAGIC_NUMBER
    flags = _UNCHECKED_HASH.to_bytes(4, "little")
    return magic + flags + importlib.util.source_hash(source) + code


if __name__ == "__main__":
    _compile_all(Path(sys.argv[1]), sys.argv[2])
