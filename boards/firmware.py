"""`skerry firmware build`: firmware of microcontrollers, from pinned source, cached by content.

A port is a folder of `firmware/ports` with a Makefile, built outside of MicroPython's source tree.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from boards.image.errors import BuildError
from boards.image.tools import need, run
from boards.micropython import JOBS, SOURCE_SHA256, locked, tree
from boards.packages import Say, sha256_of

PROJECT = Path(__file__).parent.parent
PORTS = PROJECT / "firmware/ports"
MADE = "firmware.elf"
_FROZEN = (PROJECT / "firmware/link", PROJECT / "firmware/device")
_TOOLS = {"make": "make", "gcc": "gcc", "arm-none-eabi-gcc": "gcc-arm-none-eabi"}
_HEADERS = {"": "libnewlib-arm-none-eabi"}
"""No program, so its name is found nowhere."""


def build(args: Namespace) -> None:
    """Build the firmware of a port, and say what it holds."""
    cache: Path = args.cache.absolute()
    made = firmware(args.port, cache, _say)
    out: Path = args.output or Path(f"skerry-{args.port}.elf")
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(made, out)
    sizes = run(["arm-none-eabi-size", made]).splitlines()[1].split()
    flash, ram = int(sizes[0]) + int(sizes[1]), int(sizes[1]) + int(sizes[2])
    print(f"{out}: {flash / 1024:.0f} KiB of flash, {ram / 1024:.0f} KiB of RAM, heap included")
    print(f"sha256:{sha256_of(out)}")


def firmware(port: str, cache: Path, say: Say) -> Path:
    """The firmware of a port; made once for the same content. Raises BuildError."""
    known = sorted(path.name for path in PORTS.iterdir() if (path / "Makefile").is_file())
    if port not in known:
        raise BuildError(f"no port {port!r}; there are: {', '.join(known)}")
    kept = cache / "firmware" / f"{port}-{_digest(PORTS / port)}" / MADE
    kept.parent.mkdir(parents=True, exist_ok=True)
    with locked(kept.parent):
        if not kept.is_file():
            _build(PORTS / port, tree(cache, say), kept, say)
    return kept


def _build(port: Path, source: Path, kept: Path, say: Say) -> None:
    need(_TOOLS, say)
    if not _has_headers():
        need(_HEADERS, say)
    say(f"firmware: building {port.name}, half a minute")
    with tempfile.TemporaryDirectory(dir=kept.parent) as work:
        run(
            [
                *("make", "-C", port, JOBS, f"MPY_DIR={source}", f"BUILD={work}/build"),
                *(f"MICROPY_MANIFEST_PORT_DIR={port}", f"MICROPY_MANIFEST_PROJECT_DIR={PROJECT}"),
            ],
            extra={"SOURCE_DATE_EPOCH": "0"},
        )
        (Path(work) / "build" / MADE).rename(kept)


def _has_headers() -> bool:
    """Whether the compiler finds a C library; Debian only recommends it."""
    asked = ["arm-none-eabi-gcc", "-E", "-include", "string.h", "-x", "c", os.devnull]
    done = subprocess.run(asked, capture_output=True, check=False)  # noqa: S603 - argv of our own
    return done.returncode == 0


def _digest(port: Path) -> str:
    whole = hashlib.sha256(SOURCE_SHA256.encode())
    for file in _sources(port):
        whole.update(f"{file.relative_to(PROJECT)} {file.stat().st_size}\n".encode())
        whole.update(file.read_bytes())
    return whole.hexdigest()[:24]


def _sources(port: Path) -> Iterator[Path]:
    yield Path(__file__)
    for folder in (port, *_FROZEN):
        yield from sorted(
            file
            for file in folder.rglob("*")
            if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".md"
        )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
