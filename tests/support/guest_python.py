"""CPython, the HAL's libraries, pytest and our own suites as files of a tiny board's initramfs.

The standard library and site packages go in as bytecode: compiling them in an emulated board
takes longer than all tests together. Our own code stays source, as pytest rewrites its asserts.
"""

import importlib.util
import marshal
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from boards.image.wheels import wheels
from boards.packages import Package, read_lock, unpacked
from qemu.board.newc import Entry, file, folder

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "boards"
SITE = "usr/lib/python3/site"
SUITE = "suite"
"""Where our own code lies."""

_LIBRARY = "usr/lib/python3.11"
# Nothing of these is imported by the suites; they are most of the standard library's bytes.
_LEFT_OUT = (
    *("test", "idlelib", "lib2to3", "tkinter", "ensurepip", "turtledemo", "pydoc_data"),
    *("distutils", "sqlite3", "wsgiref", "xmlrpc", "curses", "dbm", "venv", "asyncio"),
)
_NATIVE_LEFT_OUT = ("_codecs_", "_test", "_xx", "_ctypes_test", "_sqlite3", "_curses", "_ssl")
_LIBRARIES = (
    "libc.so",
    "libm.so",
    "libpthread.so",
    "libdl.so",
    "librt.so",
    "libexpat.so",
    "libz.so",
    "libffi.so",
    "libgcc_s.so",
)
_PURE = ("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments")
_HAL_WHEELS = ("gpiod", "pyserial", "smbus2")
# Of some two hundred lexers pytest imports two.
_LEXERS = ("__init__", "_mapping", "diff", "python")
_UNCHECKED = (0b01).to_bytes(4, "little")
"""Flag word of bytecode that is never compared with a source (PEP 552)."""


def guest_python(ours: Iterable[str]) -> list[Entry]:
    """Everything, with our own files and folders `ours` (relative to the repository) in SUITE.

    Run as `PYTHONPATH=/SITE:/SUITE python3.11`. Raises boards' PackageError.
    """
    system = unpacked("system", read_lock(), CACHE, lambda _: None)
    found = wheels(ROOT / "requirements.lock", CACHE, lambda _: None)
    files = {
        **_interpreter(system),
        **dict(_pure()),
        **dict(_unzipped(found[name] for name in _HAL_WHEELS)),
        **dict(_sources(ours)),
    }
    return [*_folders(files), *files.values()]


def _interpreter(packages: Mapping[Package, Path]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for place in packages.values():
        program = place / "usr/bin/python3.11"
        if program.is_file():
            found[str(program)] = file("bin/python3.11", program.read_bytes(), executable=True)
        for directory in ("lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu"):
            for library in sorted((place / directory).glob("*.so*")):
                if library.name.startswith(_LIBRARIES):
                    found[library.name] = _native(f"lib/{library.name}", library.read_bytes())
        for loader in (place / "lib").glob("ld-linux-*"):
            found[loader.name] = _native(f"lib/{loader.name}", loader.read_bytes())
        for source in sorted((place / _LIBRARY).rglob("*")):
            inner = source.relative_to(place)
            if source.is_file() and _of_use(inner.relative_to(_LIBRARY)):
                found[str(inner)] = _module(str(inner), source.read_bytes())
    return found


def _of_use(inner: Path) -> bool:
    if inner.parts[0] in _LEFT_OUT or inner.parts[0].startswith("config-"):
        return False
    if inner.suffix == ".so":
        return not inner.name.startswith(_NATIVE_LEFT_OUT)
    return inner.suffix == ".py"


def _pure() -> Iterator[tuple[str, Entry]]:
    for name in _PURE:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        site = origin.parents[1] if spec.submodule_search_locations else origin.parent
        for source in sorted(origin.parent.rglob("*.py")) if site != origin.parent else [origin]:
            if source.parent.name != "lexers" or source.stem in _LEXERS:
                path = f"{SITE}/{source.relative_to(site)}"
                yield path, _module(path, source.read_bytes())


def _unzipped(wheel_files: Iterable[Path]) -> Iterator[tuple[str, Entry]]:
    for wheel in wheel_files:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith((".py", ".so")) or ".libs/" in name:
                    yield name, _module(f"{SITE}/{name}", archive.read(name))


def _sources(ours: Iterable[str]) -> Iterator[tuple[str, Entry]]:
    for name in ours:
        place = ROOT / name
        for source in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            path = f"{SUITE}/{source.relative_to(ROOT)}"
            yield path, file(path, source.read_bytes())


def _module(path: str, data: bytes) -> Entry:
    """A source as the bytecode that stands in its place; anything else as it is."""
    if not path.endswith(".py"):
        return _native(path, data)
    code = compile(data, f"/{path}", "exec", dont_inherit=True, optimize=0)
    head = importlib.util.MAGIC_NUMBER + _UNCHECKED + importlib.util.source_hash(data)
    return file(f"{path}c", head + marshal.dumps(code))


def _native(path: str, data: bytes) -> Entry:
    return file(path, data, executable=True)


def _folders(files: Mapping[str, Entry]) -> list[Entry]:
    paths = {str(parent) for entry in files.values() for parent in Path(entry.path).parents}
    return [folder(path) for path in sorted(paths - {"."})]
