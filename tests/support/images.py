"""Images of boards for tests and the demo, built once for the same content."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from boards.board import board_path
from boards.image.build import build
from tests.support.system import ROOT

CACHE = ROOT / ".cache/boards"
KEPT = 6
"""Images kept; each takes about 130 MB of disk."""
_SOURCES = ("boards", "edge", "hal")


def built_image(name: str, *, compiled: bool = False, say: Callable[[str], None] = print) -> Path:
    """The image of a board as the working tree makes it; nobody may write to it."""
    folder = CACHE / "images"
    folder.mkdir(parents=True, exist_ok=True)
    image = folder / f"{Path(name).stem}-{_digest(name, compiled=compiled)}.img"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.is_file():
            build(name, image, CACHE, say, compiled=compiled)
        os.utime(image)
        for old in sorted(folder.glob("*.img"), key=_used)[:-KEPT]:
            old.unlink()
            for beside in (".cdx.json", ".intoto.json"):
                old.with_name(f"{old.name}{beside}").unlink(missing_ok=True)
    return image


def _digest(name: str, *, compiled: bool) -> str:
    """Of all in the working tree that an image is made of."""
    whole = hashlib.sha256(f"{compiled}".encode())
    for file in _sources(name):
        whole.update(f"{file.name} {file.stat().st_size}\n".encode() + file.read_bytes())
    return whole.hexdigest()[:24]


def _sources(name: str) -> Iterator[Path]:
    yield board_path(name)
    yield from (ROOT / "requirements.lock", ROOT / "skerry.py")
    for folder in _SOURCES:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".toml":
                yield file


def _used(image: Path) -> float:
    return image.stat().st_mtime
