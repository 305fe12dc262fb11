"""Projects of apps."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skerry import Verbs


def add(verbs: "Verbs") -> None:
    """Add them."""
    _app(verbs)


def _app(verbs: "Verbs") -> None:
    does = verbs.group("app")
    new = does.verb("new", "wasm_apps.tool.cli:new", "make a working project")
    new.add_argument("directory", type=Path, help="made here; its name becomes the app's")
    new.add_argument("--lang", choices=("c", "zig", "python"), default="c", help="language")
    build = does.verb(
        "build",
        "wasm_apps.tool.cli:build",
        "compile an app to WebAssembly, or check and pack one in Python",
    )
    build.add_argument("directory", type=Path, nargs="?", default=Path(), help="the app")
    build.set_defaults(find_runtime=verbs.python_runtime)
