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
_BRANCH_TO_ITSELF, _UNDEFINED = (0xE7FE,), (0xDE00,)
_WAIT_FOR_EVER = (0xBF30, 0xE7FD)


def made(port: str = "mps2") -> Path:
    """Folder of what the build leaves."""
    return firmware(port, CACHE, print).parent


def shipped(port: str = "mps2") -> Image:
    return parse((made(port) / IMAGE).read_bytes())


def good(version: str, port: str = "mps2") -> Image:
    return parse(wrapped(port, shipped(port).program, version))


def changed(version: str, port: str = "mps2") -> Image:
    """A good one, with CHANGED bytes after its program that nobody could guess; it never reads them."""
    more = Random(version).randbytes(CHANGED)
    return parse(wrapped(port, shipped(port).program + more, version))


def hanging(version: str, board: str = "mps2") -> Image:
    """Its first instruction never ends."""
    return _short(_BRANCH_TO_ITSELF, version, board)


def waiting(version: str, board: str) -> Image:
    """It hangs, too, and lets an emulator rest meanwhile."""
    return _short(_WAIT_FOR_EVER, version, board)


def crashing(version: str) -> Image:
    """Its first instruction is none."""
    return _short(_UNDEFINED, version)


def variant(name: str, version: str) -> Image:
    """One whose main program is that of `mcu_variants`."""
    return parse(wrapped("mps2", (_variants() / name).read_bytes(), version))


def _short(instructions: tuple[int, ...], version: str, board: str = "mps2") -> Image:
    at = LOAD_ADDRESSES[board]
    code = instructions * 4
    program = struct.pack(f"<II{len(code)}H", _STACK, at + 9, *code)
    return parse(mcuboot.image(program, version=version, board=board, load_address=at))


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
