"""Images for updates of the emulated microcontroller: good ones, and broken ones of every kind.

A good one of another version is the firmware with another header. What breaks before Python runs is
four instructions. What breaks in Python is built once, all together, and kept by content.
"""

import hashlib
import struct
import tempfile
from functools import cache
from pathlib import Path
from random import Random

from boards import firmware as ports
from boards import mcuboot
from boards.firmware import IMAGE, LOAD_ADDRESSES, PROGRAM, firmware, wrapped
from boards.image.tools import run
from boards.micropython import locked, tree
from hal.link.image import Image, parse
from tests.support.mcu import CACHE

VARIANTS = Path(__file__).parent / "mcu_variants"
CHANGED = 5000
_STACK = 0x20010000
_AT = LOAD_ADDRESSES["mps2"]
_BRANCH_TO_ITSELF, _UNDEFINED = 0xE7FE, 0xDE00


def made() -> Path:
    """Folder of what the build leaves."""
    return firmware("mps2", CACHE, print).parent


def shipped() -> Image:
    return parse((made() / IMAGE).read_bytes())


def good(version: str) -> Image:
    return parse(wrapped("mps2", shipped().program, version))


def changed(version: str) -> Image:
    """A good one, with CHANGED bytes after its program that nobody could guess; it zeroes them."""
    return parse(wrapped("mps2", shipped().program + Random(version).randbytes(CHANGED), version))


def hanging(version: str, board: str = "mps2") -> Image:
    """Its first instruction never ends."""
    return _short(_BRANCH_TO_ITSELF, version, board)


def crashing(version: str) -> Image:
    """Its first instruction is none."""
    return _short(_UNDEFINED, version)


def variant(name: str, version: str) -> Image:
    """One whose main program is that of `mcu_variants`."""
    return parse(wrapped("mps2", (_variants() / name).read_bytes(), version))


def _short(instruction: int, version: str, board: str = "mps2") -> Image:
    program = struct.pack("<II4H", _STACK, _AT + 9, *([instruction] * 4))
    return parse(mcuboot.image(program, version=version, board=board, load_address=_AT))


@cache
def _variants() -> Path:
    base = made()
    digest = hashlib.sha256(base.name.encode())
    for file in sorted(VARIANTS.rglob("*.py")):
        digest.update(f"{file.relative_to(VARIANTS)}\n".encode() + file.read_bytes())
    folder = CACHE / "firmware" / f"variants-{digest.hexdigest()[:24]}"
    if not folder.is_dir():  # whoever builds something else holds the lock for long
        with locked(folder.parent):
            if not folder.is_dir():
                _build(folder)
    return folder


def _build(folder: Path) -> None:
    port = ports.PORTS / "mps2"
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        finished, build = Path(work) / "finished", Path(work) / "build"
        finished.mkdir()
        for variant in sorted(VARIANTS.iterdir()):
            # The objects of the one before stay; what is frozen is made anew.
            for file in ("frozen_content.c", "frozen_mpy/main.mpy", PROGRAM):
                (build / file).unlink(missing_ok=True)
            ports._make(
                port,
                {
                    "MPY_DIR": tree(CACHE, print),
                    "BUILD": build,
                    "FROZEN_MANIFEST": variant / "manifest.py",
                    "MICROPY_MANIFEST_PORT_DIR": port,
                    "MICROPY_MANIFEST_PROJECT_DIR": ports.PROJECT,
                },
            )
            out = finished / variant.name
            run(["arm-none-eabi-objcopy", "-O", "binary", build / PROGRAM, out])
        finished.rename(folder)
