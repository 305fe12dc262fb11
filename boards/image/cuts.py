"""The standard library and wheels without what an agent would load and never use.

A module is cut to the names it is asked for, or a line of it is changed. A text that is not there
any more stops the build: another version needs another look, not a silent return of the megabytes.
"""

from collections.abc import Mapping
from pathlib import Path

from boards.image.errors import BuildError
from boards.image.prune import pruned

KEPT: Mapping[str, frozenset[str]] = {
    # What asyncio asks of it, and what compiled modules change in it when they are loaded: without
    # that, they crash. Signatures would need `ast`, `dis` and `tokenize`, 0.7 MiB.
    "inspect.py": frozenset(
        {"iscoroutinefunction", "isfunction", "isgenerator", "isawaitable", "unwrap"}
        | {"getgeneratorstate", "getcoroutinestate", "_get_code_position"}
    ),
    "dis.py": frozenset({"COMPILER_FLAG_NAMES"}),
}
"""What stays of a module of the standard library, with all that it needs."""
CHANGED: Mapping[str, tuple[tuple[str, str], ...]] = {
    # A docstring made of the signature, for each class that has none: on a board that is every one.
    "dataclasses.py": (
        ("if not getattr(cls, '__doc__'):", "if False:"),
        ("import inspect\n", ""),
    ),
    # Only `as_uri` needs it; later versions of CPython import it there, too.
    "pathlib.py": (
        (
            "from urllib.parse import quote_from_bytes as urlquote_from_bytes\n",
            "def urlquote_from_bytes(path):\n"
            "    from urllib.parse import quote_from_bytes\n"
            "    return quote_from_bytes(path)\n",
        ),
    ),
    # It reads sources, of which there are none.
    "linecache.py": (
        ("import tokenize\n", ""),
        ("        with tokenize.open(", "        import tokenize\n        with tokenize.open("),
    ),
    # Its table of locales takes 0.1 MiB; needed for `text=True` without an encoding.
    "subprocess.py": (
        ("import locale\n", ""),
        ("return locale.getencoding()", "import locale; return locale.getencoding()"),
    ),
}
"""Old and new text in modules of the standard library."""
WHEELS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "msgspec/__init__.py": (
        (
            "from . import inspect, json, msgpack, structs, toml, yaml",
            "from . import json, msgpack, structs",
        ),
    ),
    "msgspec/json.py": (("from ._json_schema import schema, schema_components\n", ""),),
}
"""The same in wheels: of msgspec, what describes types to other programs, and other formats."""
REPLACED: Mapping[str, str] = {
    # As later versions of CPython have it: the same in Python is defined first, and thrown away.
    "datetime.py": "from _datetime import *\nfrom _datetime import __doc__\n",
    # msgspec asks for these types when it is imported, and for no value of them: 0.5 MiB.
    "decimal.py": (
        "class Decimal:\n"
        "    def __init__(self, *_):\n"
        "        raise NotImplementedError('this board has no decimal numbers')\n"
    ),
    "uuid.py": (
        "import enum\n"
        "SafeUUID = enum.Enum('SafeUUID', 'safe unsafe unknown')\n"
        "class UUID:\n"
        "    def __init__(self, *_, **__):\n"
        "        raise NotImplementedError('this board has no UUIDs: os.urandom')\n"
    ),
}
"""Modules of the standard library that are written anew."""


def cut_library(library: Path) -> None:
    """Cut the standard library in a directory; raises BuildError when it is another than known."""
    for name, words in KEPT.items():
        file = library / name
        file.write_text(pruned(file.read_text(), words))
    _change(library, CHANGED)
    for name, text in REPLACED.items():
        (library / name).write_text(text)


def cut_wheels(site: Path) -> None:
    """Cut the wheels unpacked in `site`; raises as above."""
    _change(site, WHEELS)


def _change(tree: Path, changes: Mapping[str, tuple[tuple[str, str], ...]]) -> None:
    for name, pairs in changes.items():
        file = tree / name
        text = file.read_text()
        for old, new in pairs:
            if text.count(old) != 1:
                raise BuildError(f"{name}: {old.strip()!r} is not in it once: see {__name__}")
            text = text.replace(old, new)
        file.write_text(text)
