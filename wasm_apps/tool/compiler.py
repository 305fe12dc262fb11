"""Builds a project, C and Zig with PyPI's `ziglang`; the same sources give the same bytes anywhere.

Nothing of the machine gets in: paths are relative to the project, symbols are stripped, and Zig's
caches lie in the user's cache folder.
"""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from wasm_apps.tool.errors import CompileError, ModuleError, ToolchainError
from wasm_apps.tool.module import check_runs_on_a_node
from wasm_apps.tool.project import HOME, Language, Project, open_project
from wasm_apps.tool.python import FindRuntime, build_python

TARGET = "wasm32-wasi"
STACK_BYTES = 32768
"""Stack of an app: with small data the whole app then fits one 64 KiB page of memory."""
TIMEOUT = 600.0
"""Seconds for a build; the first on a slow board takes minutes."""
_ERROR = re.compile(r"^(?P<file>.+?):\d+:\d+: (?:fatal )?error:", re.MULTILINE)


def build(
    directory: Path,
    say: Callable[[str], None] = lambda _: None,
    find_runtime: FindRuntime | None = None,
) -> Path:
    """Build the project in a folder; what it made, `build/NAME.wasm` or of Python `build/NAME.files`.

    `say` takes the compiler's warnings, and word of the slow first run; `find_runtime` gives the
    module that runs Python.
    """
    project = open_project(directory.resolve())
    if project.language is Language.PYTHON:
        if find_runtime is None:
            raise ToolchainError("the Python runtime is not here; `skerry app build` has it")
        return build_python(project, say, find_runtime)
    if importlib.util.find_spec("ziglang") is None:
        raise ToolchainError("`ziglang` is not installed: pip install 'skerry[apps]'")
    cache = cache_directory()
    if not cache.exists():
        say("first build on this machine: preparing the C library, up to half a minute ...")
    project.output.parent.mkdir(exist_ok=True)
    fresh = project.output.with_suffix(".new")
    try:
        warnings = _run(project, command(project, fresh), cache)
        _check(fresh)
        fresh.replace(project.output)
    finally:
        fresh.unlink(missing_ok=True)
    if warnings:
        say(warnings)
    return project.output


def command(project: Project, output: Path) -> list[str]:
    """The compiler's arguments; to be run in the project's folder."""
    zig = [sys.executable, "-m", "ziglang"]
    sources = [source.as_posix() for source in project.sources]
    if project.language is Language.ZIG:
        return [
            *zig, "build-exe", "-target", TARGET, "-O", "ReleaseSmall", "-fstrip",
            "--stack", str(STACK_BYTES), "--color", "off",
            "--dep", "skerry", f"-Mroot={sources[0]}", f"-Mskerry={HOME / 'sdk/zig/skerry.zig'}",
            f"-femit-bin={output.relative_to(project.directory)}",
        ]  # fmt: skip
    sdk = HOME / "sdk" / "c"
    return [
        *zig, "cc", "-target", TARGET, "-std=c11", "-Os", "-s", "-Wall", "-Wextra",
        "-fno-color-diagnostics", f"-Wl,-z,stack-size={STACK_BYTES}",
        f"-ffile-prefix-map={sdk}=sdk", "-isystem", str(sdk), "-Isrc",
        *sources, "-o", str(output.relative_to(project.directory)),
    ]  # fmt: skip


def cache_directory() -> Path:
    """Where Zig keeps compiled libraries."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "skerry" / "zig"


def _run(project: Project, arguments: list[str], cache: Path) -> str:
    environment = {
        **os.environ,
        "ZIG_GLOBAL_CACHE_DIR": str(cache),
        "ZIG_LOCAL_CACHE_DIR": str(cache / "local"),
    }
    try:
        done = subprocess.run(  # noqa: S603 - argv of our own making, no shell
            arguments,
            cwd=project.directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolchainError(f"the compiler did not finish within {TIMEOUT:g} s") from None
    except OSError as fault:
        raise ToolchainError(f"the compiler could not be started: {fault}") from fault
    if done.returncode:
        raise CompileError(f"{done.stderr.rstrip()}\n{_summary(done.stderr)}")
    return done.stderr.rstrip()


def _summary(output: str) -> str:
    files = [match["file"] for match in _ERROR.finditer(output)]
    if not files:
        return "the app does not build"
    errors = f"{len(files)} error{'s' * (len(files) > 1)}"
    return f"the app does not build: {errors} in {', '.join(dict.fromkeys(files))}"


def _check(module: Path) -> None:
    try:
        check_runs_on_a_node(module.read_bytes())
    except FileNotFoundError:
        raise ModuleError("the compiler made no module") from None
