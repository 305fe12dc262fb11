"""`skerry firmware build`: firmware of microcontrollers, from pinned source, cached by content.

A port is a folder of `firmware/ports` with a Makefile, built outside of MicroPython's source tree.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path

from boards import mcuboot, uf2
from boards.image.errors import BuildError
from boards.image.tools import need, run
from boards.micropython import JOBS, SOURCE_SHA256, STAMP, locked, tree
from boards.packages import Say, read_lock, sha256_of
from boards.packages import tree as packages_tree

PROJECT = Path(__file__).parent.parent
PORTS = PROJECT / "firmware/ports"
SHARED = PORTS / "shared"
ELF, UF2 = "firmware.elf", "firmware.uf2"
"""What goes onto a blank part: the bootloader and a first image."""
IMAGE = "image.bin"
"""What an update sends."""
BOOTLOADERS = PROJECT / "firmware/boot"
PROGRAM, BOOTLOADER = "program.elf", "boot.elf"
"""What the image holds, and the bootloader without a first image."""
LOAD_ADDRESSES = {"mps2": 0x10000, "pico": 0x10102000}
"""Where the bootloader puts programs, as its `machine.h` says."""
SECTOR = 4096
_VERSION = PROJECT / "firmware/device/start.py"
_FROZEN = tuple(PROJECT / "firmware" / name for name in ("link", "device", "drivers"))
_TOOLS = {"make": "make", "gcc": "gcc", "arm-none-eabi-gcc": "gcc-arm-none-eabi"}
_PICO_TOOLS = {**_TOOLS, "cmake": "cmake"}
_HEADERS = {"string.h": "libnewlib-arm-none-eabi"}
_PICO_HEADERS = {**_HEADERS, "cstdlib": "libstdc++-arm-none-eabi-newlib"}
"""No programs, so they are looked for by compiling."""


def build(args: Namespace) -> None:
    """Build the firmware of a port, and say what it holds."""
    cache: Path = args.cache.absolute()
    made = firmware(args.port, cache, _say)
    out: Path = args.output or Path(f"skerry-{args.port}{made.suffix}")
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(made, out)
    image = out.with_suffix(".bin")
    shutil.copyfile(made.with_name(IMAGE), image)
    print(
        f"{image}: version {version()}, {image.stat().st_size:,} bytes, for skerry firmware update"
    )
    flash, ram = _sizes(made.with_name(PROGRAM))
    heap = "the heap aside" if args.port == "pico" else "heap included"
    print(f"{out}: {flash / 1024:.0f} KiB of flash, {ram / 1024:.0f} KiB of RAM, {heap}")
    parts = flash_map(args.port)
    print(
        f"bootloader: {_sizes(made.with_name(BOOTLOADER))[0]:,} bytes; an image: at most "
        f"{parts['MAP_SLOT_BYTES'] - SECTOR:,}; files: {parts['MAP_FILES_BYTES'] / 1024:.0f} KiB"
    )
    print(f"sha256:{sha256_of(out)}")


def _sizes(elf: Path) -> tuple[int, int]:
    """Bytes of flash and of RAM."""
    text, data, bss = run(["arm-none-eabi-size", elf]).splitlines()[1].split()[:3]
    return int(text) + int(data), int(data) + int(bss)


def firmware(port: str, cache: Path, say: Say) -> Path:
    """The firmware of a port; made once for the same content. Raises BuildError."""
    known = sorted(path.name for path in PORTS.iterdir() if (path / "Makefile").is_file())
    if port not in known:
        raise BuildError(f"no port {port!r}; there are: {', '.join(known)}")
    folder = cache / "firmware" / f"{port}-{_digest(PORTS / port)}"
    make = _pico if port == "pico" else _elf
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent) if not folder.is_dir() else contextlib.nullcontext():
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent) as work:
                finished = Path(work) / "finished"
                finished.mkdir()
                make(PORTS / port, tree(cache, say), cache, Path(work) / "build", finished, say)
                finished.rename(folder)
    return folder / (UF2 if port == "pico" else ELF)


def flash_map(port: str) -> dict[str, int]:
    """Where what lies in a port's flash: the numbers of its `map.h`."""
    text = (BOOTLOADERS / port / "map.h").read_text()
    return {
        name: int(number, 16)
        for name, number in re.findall(r"^#define (MAP_\w+) \((0x\w+)u\)$", text, re.MULTILINE)
    }


def _elf(port: Path, source: Path, _cache: Path, work: Path, into: Path, say: Say) -> None:
    """What QEMU loads."""
    need(_TOOLS, say)
    _need_headers(_HEADERS, say)
    say(f"firmware: building {port.name}, half a minute")
    _make(
        port,
        {
            "MPY_DIR": source,
            "BUILD": work,
            "MICROPY_MANIFEST_PORT_DIR": port,
            "MICROPY_MANIFEST_PROJECT_DIR": PROJECT,
        },
    )
    image = _image(port, work / PROGRAM, into)
    for name, first in ((BOOTLOADER, {}), (ELF, {"FIRST": image})):
        _make(BOOTLOADERS / port.name, {"BUILD": work / name} | first)
        (work / name / BOOTLOADER).rename(into / name)


def _image(port: Path, program: Path, into: Path) -> Path:
    """What an update sends, with the program it was made from beside it."""
    run(["arm-none-eabi-strip", "--strip-debug", "-o", into / PROGRAM, program])
    binary = program.with_suffix(".bin")
    # The Pico SDK's second stage is in flash already, and before the program's address.
    run(["arm-none-eabi-objcopy", "-O", "binary", "-R", ".boot2", program, binary])
    image = into / IMAGE
    image.write_bytes(wrapped(port.name, binary.read_bytes(), version()))
    return image


def version() -> str:
    """Of the firmware, from its source."""
    found = re.search(r'^VERSION = "(\d+\.\d+\.\d+)"$', _VERSION.read_text(), re.MULTILINE)
    if found is None:
        raise BuildError(f"{_VERSION}: says no VERSION as 1.2.3")
    return found[1]


def wrapped(port: str, program: bytes, version: str) -> bytes:
    """The image of a port's program."""
    return mcuboot.image(program, version=version, board=port, load_address=LOAD_ADDRESSES[port])


def _pico(port: Path, source: Path, cache: Path, work: Path, into: Path, say: Say) -> None:
    """What the Pico's own USB drive takes."""
    need(_PICO_TOOLS, say)
    _need_headers(_PICO_HEADERS, say)
    sources = packages_tree("pico-source", read_lock(), cache, say) / "usr/src"
    sdk = {"PICO_SDK": sources / "pico-sdk"}
    say(f"firmware: building {port.name}, a minute or two")
    _make(
        port,
        sdk | {"MPY_DIR": source, "TINYUSB": sources / "tinyusb", "BUILD": work / "program"},
    )
    image = _image(port, work / "program" / ELF, into)
    _make(BOOTLOADERS / port.name, sdk | {"BUILD": work / "boot"})
    run(["arm-none-eabi-strip", "--strip-debug", "-o", into / BOOTLOADER, work / "boot/boot.elf"])
    binary = work / "boot.bin"
    run(["arm-none-eabi-objcopy", "-O", "binary", into / BOOTLOADER, binary])
    (into / UF2).write_bytes(for_drive(binary.read_bytes(), image.read_bytes()))


def for_drive(bootloader: bytes, image: bytes) -> bytes:
    """A UF2 file: the bootloader, no state, and an image in slot 0, none of which was uploaded.

    Whatever slots and state were before, that image is started. Whole sectors: the RP2040's loader may
    else leave part of one as it was (its erratum E14).
    """
    at = flash_map("pico")
    room = at["MAP_SLOT_BYTES"] - SECTOR
    if len(bootloader) > at["MAP_BOOT_BYTES"] or len(image) > room:
        raise BuildError(
            f"pico: a bootloader of {len(bootloader)} bytes and an image of {len(image)}; "
            f"there is room for {at['MAP_BOOT_BYTES']} and {room}"
        )
    parts = {
        0: bootloader,
        at["MAP_STATE"]: bytes([0xFF]) * 2 * SECTOR,
        at["MAP_SLOTS"]: image,
        at["MAP_SLOTS"] + room: bytes([0xFF]) * SECTOR,
    }
    sectors = {
        uf2.RP2040_FLASH + place: part.ljust(-(-len(part) // SECTOR) * SECTOR, b"\xff")
        for place, part in parts.items()
    }
    return uf2.pack(sectors, uf2.FAMILIES["rp2040"])


def _make(port: Path, variables: Mapping[str, Path]) -> None:
    given = [f"{name}={value}" for name, value in variables.items()]
    run(["make", "-C", port, JOBS, *given], extra=STAMP)


def _need_headers(headers: Mapping[str, str], say: Say) -> None:
    """Have the compiler's libraries, which Debian only recommends."""
    need({name: package for name, package in headers.items() if not _has_header(name)}, say)


def _has_header(name: str) -> bool:
    asked = ["arm-none-eabi-g++", "-E", "-include", name, "-x", "c++", os.devnull]
    done = subprocess.run(asked, capture_output=True, check=False)  # noqa: S603 - argv of our own
    return done.returncode == 0


def _digest(port: Path) -> str:
    whole = hashlib.sha256(SOURCE_SHA256.encode())
    if port.name == "pico":
        whole.update("".join(pin.sha256 for pin in read_lock()["pico-source"]).encode())
    for file in _sources(port):
        whole.update(f"{file.relative_to(PROJECT)} {file.stat().st_size}\n".encode())
        whole.update(file.read_bytes())
    return whole.hexdigest()[:24]


def _sources(port: Path) -> Iterator[Path]:
    yield from (Path(__file__), Path(uf2.__file__), Path(mcuboot.__file__))
    yield PROJECT / "firmware/manifest.py"
    for folder in (port, SHARED, BOOTLOADERS, *_FROZEN):
        yield from sorted(
            file
            for file in folder.rglob("*")
            if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".md"
        )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
