"""What an app project is: a folder with `app.toml`, and `*.c`, `main.zig` or `main.py` in `src/`.

Only what building needs is read here; the whole manifest is checked when it is tested or pushed.
"""

import re
import tomllib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import wasm_apps
from wasm_apps.tool.errors import ProjectError

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""An RFC 1123 label, as the manifest demands."""
HOME = Path(wasm_apps.__file__).parent
"""Where SDK and templates lie, in a checkout and when installed."""


_PYTHON_MAINS = ("main.py", "main.mpy")


class Language(Enum):
    """What an app may be written in."""

    C = "c"
    ZIG = "zig"
    PYTHON = "python"


@dataclass(frozen=True, slots=True)
class Project:
    """A project that can be built."""

    directory: Path
    name: str
    language: Language
    sources: tuple[Path, ...]
    """Relative to the directory, sorted; of Zig and Python only the first."""

    @property
    def output(self) -> Path:
        """What a build makes: a module, or the files that the Python runtime runs."""
        kind = "files" if self.language is Language.PYTHON else "wasm"
        return self.directory / "build" / f"{self.name}.{kind}"


def open_project(directory: Path) -> Project:
    """The project in a folder; ProjectError names what is missing."""
    manifest = directory / "app.toml"
    try:
        said = tomllib.loads(manifest.read_text())
    except FileNotFoundError:
        raise ProjectError(
            f"{manifest}: there is none; `skerry app new {directory}` makes a project"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise ProjectError(f"{manifest}: not TOML: {fault}") from fault
    name, runtime = said.get("name"), said.get("runtime")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ProjectError(f"{manifest}: name: must be lower-case letters, digits and '-'")
    if runtime is not None:
        return _interpreted(directory, name, runtime)
    c_sources = tuple(sorted(path.relative_to(directory) for path in directory.glob("src/*.c")))
    has_zig = (directory / "src" / "main.zig").exists()
    if c_sources and has_zig:
        raise ProjectError(f"{directory / 'src'}: holds C and main.zig; an app is one of them")
    if has_zig:
        return Project(directory, name, Language.ZIG, (Path("src/main.zig"),))
    if c_sources:
        return Project(directory, name, Language.C, c_sources)
    if any((directory / "src" / main).exists() for main in _PYTHON_MAINS):
        raise ProjectError(f'{manifest}: runtime: missing; write runtime = "python"')
    raise ProjectError(f"{directory / 'src'}: no *.c, no main.zig and no main.py to build")


def _interpreted(directory: Path, name: str, runtime: object) -> Project:
    if runtime != Language.PYTHON.value:
        raise ProjectError(f'{directory / "app.toml"}: runtime: {runtime!r}; there is "python"')
    for main in _PYTHON_MAINS:
        if (directory / "src" / main).exists():
            return Project(directory, name, Language.PYTHON, (Path("src") / main,))
    raise ProjectError(f"{directory / 'src'}: no main.py, which an app in Python begins with")


def new(name: str, language: Language, directory: Path) -> list[Path]:
    """Make a working project in a new or empty folder; the files made."""
    if not NAME.fullmatch(name):
        raise ProjectError(
            f"{name!r} cannot be an app's name: lower-case letters, digits and '-', at most 63"
        )
    if directory.exists() and any(directory.iterdir()):
        raise ProjectError(f"{directory} is not empty")
    made: dict[Path, None] = {}
    for root in (HOME / "templates" / "common", HOME / "templates" / language.value):
        for template in sorted(path for path in root.rglob("*") if path.is_file()):
            if "__pycache__" in template.parts:
                continue  # pip compiles what it installs
            target = directory / template.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(template.read_text().replace("@NAME@", name))
            made[target] = None
    return list(made)
