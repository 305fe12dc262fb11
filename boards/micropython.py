"""MicroPython from Debian's source, pinned by SHA-256, and its interpreter for this machine.

The mirror is the one that this machine's apt knows; apt's own helper fetches, so its proxies and
credentials hold here too.
"""

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

from boards.debian import Say, mirrors, sha256_of
from boards.image.errors import PackageError, ToolError
from boards.image.tools import need, run

VERSION = "1.25.0"
SOURCE = f"pool/main/m/micropython/micropython_{VERSION}+ds.orig.tar.xz"
SOURCE_SHA256 = "7b25be99a502f070b2de81dafc08da7051d992325d6e67daa9045a918fffdbea"
"""Trixie's: a stable suite, so the mirrors keep it for years."""
STAMP = {"SOURCE_DATE_EPOCH": "0", "MICROPY_GIT_TAG": f"v{VERSION}"}
"""What a build says of itself: by default the commit of whatever checkout the cache lies in."""
JOBS = f"-j{os.cpu_count() or 1}"
_HELPER = "/usr/lib/apt/apt-helper"
_PROGRAMS = {"make": "make", "gcc": "gcc", "xz": "xz-utils"}
# Bindings to libraries that would have to be there, and that the link needs none of.
_WITHOUT = (
    "MICROPY_PY_FFI=0",
    "MICROPY_PY_BTREE=0",
    "MICROPY_SSL_AXTLS=0",
    "MICROPY_PY_SSL=0",
)


def unix_interpreter(cache: Path, say: Say) -> Path:
    """A `micropython` that runs on this machine; made once, any process may ask.

    Raises ToolError when a program is missing or fails, PackageError without the source.
    """
    recipe = hashlib.sha256(" ".join((SOURCE_SHA256, *_WITHOUT)).encode()).hexdigest()
    made = cache / "micropython" / recipe[:16] / "micropython"
    made.parent.mkdir(parents=True, exist_ok=True)
    with locked(made.parent):
        if not made.is_file():
            _build(tree(cache, say), made, say)
    return made


def tree(cache: Path, say: Say) -> Path:
    """The source unpacked, its own compiler `mpy-cross` built; made once, and not to be changed."""
    made = cache / "micropython" / f"source-{SOURCE_SHA256[:16]}"
    made.parent.mkdir(parents=True, exist_ok=True)
    with locked(made.parent):
        if not made.is_dir():
            need(_PROGRAMS, say)
            tarball = source(cache, say)
            say(f"micropython: unpacking {VERSION}, building its compiler")
            with tempfile.TemporaryDirectory(dir=made.parent) as work:
                root = Path(work) / "source"
                root.mkdir()
                run(["tar", "-xf", tarball, "-C", root, "--strip-components=1"])
                # Debian's source holds none of micropython-lib; builds ask for the folder all the same.
                library = root / "lib" / "micropython-lib"
                library.mkdir(parents=True, exist_ok=True)
                (library / "README.md").touch()
                run(["make", "-C", root / "mpy-cross", JOBS])
                root.rename(made)
    return made


@contextlib.contextmanager
def locked(folder: Path) -> Generator[None]:
    """One process at a time makes what belongs into a folder."""
    with (folder / "lock").open("w") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield


def source(cache: Path, say: Say) -> Path:
    """The pinned tarball; raises PackageError when the mirror has it no more."""
    kept = cache / "sources" / f"{SOURCE_SHA256}.tar.xz"
    if kept.is_file() and sha256_of(kept) == SOURCE_SHA256:
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    say(f"micropython: fetching the source of {VERSION}, 6 MB")
    with tempfile.TemporaryDirectory(dir=kept.parent) as work:
        fetched = Path(work) / "source"
        try:
            targets = run(["apt-get", "indextargets", "--format", "$(REPO_URI)|$(LABEL)"])
            address = f"{mirrors(targets)['debian'].rstrip('/')}/{SOURCE}"
            run([_HELPER, "download-file", address, fetched, f"SHA256:{SOURCE_SHA256}"])
        except ToolError as fault:
            raise PackageError(
                f"micropython {VERSION}: {fault}; when it is gone from the mirror, put the file "
                f"with SHA-256 {SOURCE_SHA256} at {kept}"
            ) from fault
        fetched.replace(kept)
    return kept


def _build(root: Path, made: Path, say: Say) -> None:
    say(f"micropython: building {VERSION} for this machine")
    with tempfile.TemporaryDirectory(dir=made.parent) as work:
        manifest = Path(work) / "nothing_frozen.py"
        manifest.touch()
        build = Path(work) / "build"
        variables = (f"BUILD={build}", "VARIANT=standard", f"FROZEN_MANIFEST={manifest}")
        run(["make", "-C", root / "ports/unix", JOBS, *variables, *_WITHOUT])
        (build / "micropython").rename(made)
