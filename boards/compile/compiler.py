"""Cross-compilation of our packages into extension modules, one for each, cached by content.

Each becomes `<package>.cpython-311-aarch64-linux-gnu.so`, loaded by the board's own CPython.
Nuitka folds constants on this machine, which is right for AArch64 as long as both are 64-bit and
little-endian: tests/system/test_compiled_constants.py compares the values on a board.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from boards.image.agent import DESK, OWN, without_desk
from boards.image.elf import AARCH64, read_elf
from boards.image.errors import ForeignError, ToolError
from boards.image.tools import COMPILER, SEARCH, need, run
from boards.packages import Say

SUFFIX = ".cpython-311-aarch64-linux-gnu.so"
_GCC = "aarch64-linux-gnu-gcc"
_OPTIMISE = "-Os"
"""The last -O wins over Nuitka's -O3: two fifths of the time, and 40 % less code to keep in memory."""
_FLAGS = (
    *("--mode=module", "--nofollow-imports", "--lto=no", "--no-pyi-file", "--remove-output"),
    *("--python-flag=no_docstrings", "--python-flag=no_asserts", "--assume-yes-for-downloads"),
    "--quiet",
)


def add_compiled(project: Path, headers: Path, cache: Path, site: Path, say: Say) -> None:
    """Lay our packages out in `site` as extension modules, and the command line as a source.

    `headers` is an unpacked libpython3.11-dev of the board.
    """
    for name in OWN:
        shutil.copyfile(compiled(project / name, headers, cache, say), site / f"{name}{SUFFIX}")
    shutil.copyfile(project / "skerry.py", site / "skerry.py")


def compiled(package: Path, headers: Path, cache: Path, say: Say) -> Path:
    """The extension module of a package, compiled now or before."""
    store = cache / "compiled"
    store.mkdir(parents=True, exist_ok=True)
    kept = store / f"{package.name}-{_digest(package, headers)[:32]}.so"
    if kept.is_file():
        return kept
    need(COMPILER, say)
    say(f"compile: {package.name} to C, for AArch64; takes a minute the first time")
    with tempfile.TemporaryDirectory(dir=store) as place:
        made = _compile(package, headers, Path(place))
        elf = read_elf(made)
        if elf is None or elf.machine != AARCH64:
            raise ForeignError(f"{made.name}: the compiler made no AArch64 module of it")
        made.replace(kept)
    return kept


def _compile(package: Path, headers: Path, work: Path) -> Path:
    source = work / "source" / package.name
    shutil.copytree(package, source, ignore=without_desk)
    tools = work / "tools"
    tools.mkdir()
    _wrap_compiler(tools / _GCC, headers)
    plugin = Path(__file__).with_name("plugin.py")
    project = Path(__file__).parent.parent.parent
    run(
        [
            *(sys.executable, "-m", "nuitka", *_FLAGS),
            *(f"--include-package={package.name}", f"--follow-import-to={package.name}"),
            *(f"--user-plugin={plugin}", "--output-dir=../out", package.name),
        ],
        at=source.parent,
        extra={
            "SKERRY_PACKAGE": package.name,
            # Found by name: scons splits a path at its spaces.
            "CC": _GCC,
            "PATH": os.pathsep.join((str(tools), SEARCH)),
            "CCACHE_DISABLE": "1",
            "NUITKA_RESOURCE_MODE": "incbin",
            "NUITKA_CACHE_DIR": str(work / "nuitka"),
            "PYTHONPATH": str(project),
            "PYTHONHASHSEED": "0",
            "SOURCE_DATE_EPOCH": "0",
        },
    )
    made = sorted((work / "out").glob(f"{package.name}*.so"))
    if len(made) != 1:
        raise ToolError(f"nuitka left {len(made)} modules of {package.name}, one is needed")
    run(["aarch64-linux-gnu-strip", "--strip-all", made[0]])
    return made[0]


def _wrap_compiler(script: Path, headers: Path) -> None:
    """A compiler that sees the board's Python headers before those of this machine."""
    include = headers / "usr/include"
    gcc = shutil.which(_GCC, path=SEARCH)
    script.write_text(
        f'#!/bin/sh\nexec {gcc} -I{include}/python3.11 -I{include} "$@" {_OPTIMISE}\n'
    )
    script.chmod(0o755)


def _digest(package: Path, headers: Path) -> str:
    """Of all that the result depends on."""
    import importlib.metadata  # noqa: PLC0415 - slow to import, needed only here

    whole = hashlib.sha256(f"{importlib.metadata.version('nuitka')} {sys.version}".encode())
    whole.update(f"{headers.name} {_FLAGS} {_OPTIMISE}".encode())
    own = Path(__file__)
    for file in (*_sources(package), own, own.with_name("plugin.py")):
        whole.update(f"{file.name} {file.stat().st_size}\n".encode() + file.read_bytes())
    return whole.hexdigest()


def _sources(package: Path) -> Iterable[Path]:
    return sorted(file for file in package.rglob("*.py") if file.name not in DESK)
