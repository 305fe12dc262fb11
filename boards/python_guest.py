"""`skerry app runtime`: MicroPython as a guest of the sandbox, from pinned source.

The port is `wasm_apps/python`, built outside of MicroPython's source tree by PyPI's `ziglang` and
npm's `binaryen`, which `package-lock.json` pins. Made once for the same content; the same content
gives the same bytes anywhere. A module in which the garbage collector could miss a pointer is
refused (see `packed_pointers`).
"""

import hashlib
import importlib.util
import shutil
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from boards import packed_pointers
from boards.image.errors import BuildError, ToolError
from boards.image.tools import need, run
from boards.micropython import JOBS, SOURCE_SHA256, STAMP, locked, tree
from boards.packages import Say, sha256_of

PORT = Path(__file__).parent.parent / "wasm_apps" / "python"
MADE = "python.wasm"
NATIVE = "python"
FINDINGS = "packed.txt"
ACCEPTED = {
    "mp_obj_new_int_from_float": "the bits of a float",
    "wait_told": "the time and the value of an event",
    "struct_unpack_from": "address and length of a buffer whose owner is among the arguments",
    "machine_i2c_writeto_mem": "address and length of a buffer whose owner is among the arguments",
}
"""Functions that keep 64 bits while they call, and what those bits are. Each was looked into."""
HOME = PORT / "build" / MADE
"""Where `skerry app runtime` writes it, unless told."""
PREBUILT = PORT / MADE
"""Where a wheel holds it: whoever installed one has no compiler."""
LICENCES = "licences"
"""Folder beside the prebuilt module: the texts that what is in it wants beside it."""
_LOCK = ("package.json", "package-lock.json")
_BESIDE = ("typings", "build", LICENCES)
"""Folders of the port that no build reads."""
_TOOLS = {"make": "make", "gcc": "gcc", "node": "nodejs", "npm": "npm"}


def build(args: Namespace) -> None:
    """Build the runtime of Python apps."""
    made = runtime(args.cache.absolute(), _say)
    out: Path = args.output or HOME
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(made, out)
    print(f"{out}  {out.stat().st_size} bytes")
    print(f"sha256:{sha256_of(out)}")


def runtime(cache: Path, say: Say, flags: Sequence[str] = (), *, refuse: bool = True) -> Path:
    """The module that runs `/app/main.py`; raises BuildError.

    `flags` are the C compiler's, for variants that tests look into; without `refuse` even one
    that could lose pointers is returned.
    """
    made = _made(cache, say, MADE, flags)
    found = (made.parent / FINDINGS).read_text().splitlines()
    unknown = [line for line in found if line.partition(" ")[0] not in ACCEPTED]
    if refuse and unknown:
        raise BuildError(
            f"{'; '.join(unknown)}: if those could be two pointers, write it otherwise; "
            f"if not, say in {Path(__file__).name} what they are"
        )
    return made


def ready(cache: Path, say: Say) -> Path:
    """The module as it came with a wheel, else made from source; raises BuildError."""
    return PREBUILT if PREBUILT.is_file() else runtime(cache, say)


def native(cache: Path, say: Say, flags: Sequence[str] = ()) -> Path:
    """The same port as a program of this machine, to compare with; raises BuildError."""
    return _made(cache, say, NATIVE, flags)


def _made(cache: Path, say: Say, name: str, flags: Sequence[str]) -> Path:
    kept = cache / "python" / _digest(flags) / name
    kept.parent.mkdir(parents=True, exist_ok=True)
    with locked(kept.parent):
        if not kept.is_file():
            _build(cache, kept, flags, say)
    return kept


def _build(cache: Path, kept: Path, flags: Sequence[str], say: Say) -> None:
    need(_TOOLS, say)
    source = tree(cache, say)
    variables = [
        *(f"MPY_DIR={source}", f"MICROPY_MANIFEST_PORT_DIR={PORT}"),
        f"PORT_FLAGS={' '.join(flags)}",
    ]
    if kept.name == NATIVE:
        variables.append("HOST=1")
    else:
        variables += [f"ZIG={zig()}", f"WASM_OPT={_binaryen(cache, say) / 'bin/wasm-opt'}"]
    say(f"python: building {kept.name}, a minute")
    with tempfile.TemporaryDirectory(dir=kept.parent) as work:
        zig_cache = cache / "zig"
        run(
            ["make", "-C", PORT, JOBS, f"BUILD={work}/build", *variables],
            extra={
                **STAMP,
                "ZIG_GLOBAL_CACHE_DIR": str(zig_cache),
                "ZIG_LOCAL_CACHE_DIR": str(zig_cache / "local"),
            },
        )
        if kept.name == MADE:
            flat = (Path(work) / "build" / "flat.wat").read_text()
            found = dict.fromkeys(map(str, packed_pointers.findings(flat)))
            (kept.parent / FINDINGS).write_text("".join(f"{line}\n" for line in found))
        (Path(work) / "build" / kept.name).rename(kept)


def _binaryen(cache: Path, say: Say) -> Path:
    """The package of npm, unpacked and verified by npm; it is a program and runs no script of its own."""
    whole = hashlib.sha256(b"".join((PORT / name).read_bytes() for name in _LOCK)).hexdigest()
    made = cache / "npm" / whole[:16]
    made.parent.mkdir(parents=True, exist_ok=True)
    with locked(made.parent):
        if not made.is_dir():
            say("python: fetching binaryen, 20 MB")
            with tempfile.TemporaryDirectory(dir=made.parent) as work:
                root = Path(work) / "tools"
                root.mkdir()
                for name in _LOCK:
                    shutil.copyfile(PORT / name, root / name)
                run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], at=root)
                root.rename(made)
    return made / "node_modules" / "binaryen"


def zig() -> Path:
    """The compiler, in the folder of its libraries; raises ToolError."""
    found = importlib.util.find_spec("ziglang")
    if found is None or found.origin is None:
        raise ToolError("`ziglang` is not installed: pip install 'skerry[apps]'")
    return Path(found.origin).parent / "zig"


def _digest(flags: Sequence[str]) -> str:
    whole = hashlib.sha256(f"{SOURCE_SHA256} {version('ziglang')} {list(flags)}".encode())
    for file in _sources():
        whole.update(f"{file.relative_to(PORT.parents[1])} {file.stat().st_size}\n".encode())
        whole.update(file.read_bytes())
    return whole.hexdigest()[:24]


def _sources() -> Iterator[Path]:
    yield from (Path(__file__), Path(packed_pointers.__file__))
    yield from sorted(
        file
        for file in PORT.rglob("*")
        if file.is_file()
        and file.suffix != ".md"
        and file != PREBUILT
        and not {"__pycache__", *_BESIDE}.intersection(file.relative_to(PORT).parts)
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
