"""Wheels of the board's architecture, with the hashes that requirements.lock pins.

pip takes a wheel for any platform when there is none for the one asked for; of some packages that
one is useless on a board. So file names are checked too.
"""

import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from boards.image.errors import PackageError
from boards.image.tools import run
from boards.packages import Say, sha256_of

NATIVE = ("cbor2", "cffi", "cryptography", "gpiod", "lmdb", "msgspec", "wasmtime")
"""Hold machine code: their wheels must name the architecture."""
PURE = ("h11", "pycparser", "pyserial", "smbus2", "wsproto")
_PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def pinned(lock: str) -> Mapping[str, str]:
    """The requirement, with version and hashes, of each package that a board needs."""
    found: dict[str, str] = {}
    for block in re.split(r"\n(?=[A-Za-z])", lock):
        name = block.partition("==")[0]
        if name in NATIVE or name in PURE:
            lines = [line for line in block.splitlines() if not line.strip().startswith("#")]
            found[name] = "\n".join(lines)
    for name in (*NATIVE, *PURE):
        if name not in found:
            raise PackageError(f"requirements.lock pins no {name}: make lock")
    return found


def wheels(lock: Path, cache: Path, say: Say) -> Mapping[str, Path]:
    """One wheel for each package, from the cache or through pip, its hash verified by pip."""
    wanted = pinned(lock.read_text())
    store = cache / "wheels"
    store.mkdir(parents=True, exist_ok=True)
    have = {sha256_of(file): file for file in store.glob("*.whl")}
    found = {name: _pick(text, have) for name, text in wanted.items()}
    missing = [name for name, file in found.items() if file is None]
    if missing:
        say(f"wheels: fetching {', '.join(missing)}")
        _download([wanted[name] for name in missing], store)
        have = {sha256_of(file): file for file in store.glob("*.whl")}
        found = {name: _pick(text, have) for name, text in wanted.items()}
    return {name: _checked(name, file) for name, file in found.items()}


def unpack(wheel: Path, target: Path) -> None:
    """Lay a wheel's content out below `target`, without tests, stubs and sources in C."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if not entry.is_dir() and _runs(entry.filename):
                archive.extract(entry, target)


def _runs(name: str) -> bool:
    folder = name.partition("/")[0]
    if folder.endswith((".dist-info", ".data")):
        return False
    return name.endswith((".py", ".so")) and "/tests/" not in name


def _pick(requirement: str, have: Mapping[str, Path]) -> Path | None:
    return next((have[digest] for digest in _HASH.findall(requirement) if digest in have), None)


def _checked(name: str, file: Path | None) -> Path:
    if file is None:
        raise PackageError(f"{name}: no wheel with a pinned hash came; is the index reachable?")
    platform = file.stem.rpartition("-")[2]
    right = "aarch64" in platform if name in NATIVE else platform == "any"
    if not right:
        raise PackageError(f"{name}: {file.name} is not for aarch64; pin a version that has one")
    return file


def _download(requirements: Sequence[str], store: Path) -> None:
    with tempfile.TemporaryDirectory(dir=store) as work:
        listing = Path(work) / "requirements.txt"
        listing.write_text("\n".join(requirements) + "\n")
        run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"),
                *("--python-version", "3.11", "--implementation", "cp"),
                *(word for tag in _PLATFORMS for word in ("--platform", f"{tag}_aarch64")),
                *("--requirement", listing, "--dest", work),
            ]
        )
        for file in Path(work).glob("*.whl"):
            shutil.move(file, store / file.name)
