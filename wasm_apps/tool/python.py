"""Builds a project in Python: checks its sources, and packs them beside the runtime they share.

`build/NAME.files` is what makes the app; `build/NAME.wasm` is the runtime, the same bytes for every
app in Python, so the registry and a node keep it once. Nothing is compiled: MicroPython does that
on the node in a millisecond, and a traceback then names file and line of the source.
"""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

from wasm_apps.tool.errors import CompileError, ProjectError
from wasm_apps.tool.module import check_runs_on_a_node
from wasm_apps.tool.project import Project

Say = Callable[[str], None]
FindRuntime = Callable[[Say], Path]
"""Gives the module that runs Python, and says when it has to make it first."""
_MPY = b"M\x06"
"""First bytes of MicroPython's bytecode, version 6 (tools/mpy-tool.py)."""


def build_python(project: Project, say: Say, find_runtime: FindRuntime) -> Path:
    """Check and pack the project; the packed files' path. CompileError names file and line."""
    files = read_sources(project.directory / "src")
    _check(files, say)
    runtime = find_runtime(say).read_bytes()
    check_runs_on_a_node(runtime)
    project.output.parent.mkdir(exist_ok=True)
    for path, content in (
        (project.output.with_suffix(".wasm"), runtime),
        (project.output, pack(files)),
    ):
        fresh = path.with_suffix(".new")
        fresh.write_bytes(content)
        fresh.replace(path)
    return project.output


def read_sources(folder: Path) -> dict[str, bytes]:
    """Every file of the app by its name in `/app`; hidden ones and caches stay at home."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in name.parts)
        if path.is_file() and not hidden:
            found[name.as_posix()] = path.read_bytes()
    if not {"main.py", "main.mpy"} & found.keys():
        raise ProjectError(f"{folder}: no main.py and no main.mpy, which an app begins with")
    return found


def pack(files: Mapping[str, bytes]) -> bytes:
    """The files as one blob: a CBOR map in deterministic encoding (RFC 8949 section 4.2)."""
    named = sorted((_item(3, name.encode()), _item(2, content)) for name, content in files.items())
    return _head(5, len(files)) + b"".join(name + content for name, content in named)


def _item(major: int, content: bytes) -> bytes:
    return _head(major, len(content)) + content


def _head(major: int, value: int) -> bytes:
    if value < 24:  # noqa: PLR2004 - what fits the first byte, RFC 8949 section 3
        return bytes([major << 5 | value])
    power = next(power for power in range(4) if value < 1 << (8 << power))
    return bytes([major << 5 | 24 + power]) + value.to_bytes(1 << power)


def _check(files: Mapping[str, bytes], say: Say) -> None:
    wrong: dict[str, str] = {}
    for name, content in files.items():
        if name.endswith(".py") and (problem := _python_problem(name, content, say)):
            wrong[name] = problem
        elif name.endswith(".mpy") and not content.startswith(_MPY):
            wrong[name] = f"src/{name}:1:1: error: not bytecode of MicroPython 1.25 (version 6)"
    if wrong:
        where = ", ".join(f"src/{name}" for name in wrong)
        errors = f"{len(wrong)} error{'s' * (len(wrong) > 1)}"
        told = "\n".join(wrong.values())
        raise CompileError(f"{told}\nthe app does not build: {errors} in {where}")


def _python_problem(name: str, source: bytes, say: Say) -> str:
    """What CPython's parser finds wrong; MicroPython knows a little less, and says so at the start."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            compile(source, f"src/{name}", "exec", dont_inherit=True)
        except SyntaxError as error:
            line = f"\n    {error.text.rstrip()}" if error.text else ""
            return f"src/{name}:{error.lineno or 1}:{error.offset or 1}: error: {error.msg}{line}"
        except ValueError as error:
            return f"src/{name}:1:1: error: {error}"
    for each in warned:
        say(f"src/{name}:{each.lineno}: warning: {each.message}")
    return ""
