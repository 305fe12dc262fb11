"""Images of our own on virtual boards: settings put in, slots filled, the state of slots written."""

import shutil
import subprocess
from pathlib import Path

from boards.board import Role, find_board
from boards.image.boot import INITRAMFS, KERNEL
from boards.image.build import PROJECT, build
from boards.image.disk import make_squashfs
from boards.packages import read_lock, unpacked
from edge import slots
from edge.slots import Slots
from qemu.board.board import Board
from qemu.board.machine import VIRT, Fittings, Media
from qemu.board.programs import pinned_programs

CACHE = PROJECT / ".cache/boards"
UP = "s after the kernel"
"""Said when the agent starts."""
BOOT_S = 180.0
"""Four times what the slowest boot took while both cores were busy."""
PLACES = {p.partition.role: p for p in find_board("virt").layout.places()}


def build_virt(out: Path, board: str = "virt") -> Path:
    """The image of `virt` or of a board file much like it, as bytecode."""
    CACHE.mkdir(parents=True, exist_ok=True)
    return build(board, out, CACHE, print, compiled=False).image


def copy_of(image: Path, out: Path) -> Path:
    """Another card with the same bytes, its holes kept."""
    subprocess.run(["cp", "--sparse=always", image, out], check=True)
    return out


def preseed(image: Path, text: str) -> Path:
    """Replace skerry.toml, as a person at a desk does."""
    file = image.with_suffix(".toml")
    file.write_text(text)
    fat = f"{image}@@{PLACES[Role.BOOT].start}"
    subprocess.run(["mcopy", "-o", "-i", fat, file, "::/skerry.toml"], check=True)
    return image


def write_at(image: Path, at: int, data: bytes) -> None:
    """Bytes into the card."""
    with image.open("r+b") as disk:
        disk.seek(at)
        disk.write(data)


def duplicate_slot(image: Path) -> None:
    """Slot B holds what slot A holds."""
    with image.open("rb") as disk:
        disk.seek(PLACES[Role.SLOT_A].start)
        system = disk.read(PLACES[Role.SLOT_A].length).rstrip(b"\0")
    write_at(image, PLACES[Role.SLOT_B].start, system)


def broken_slot(image: Path, folder: Path) -> None:
    """Slot B holds a system that can be mounted, and whose init ends in a restart."""
    tree = folder / "broken"
    for name in ("bin", "sbin", "boot", "data", "dev", "proc", "run", "sys"):
        (tree / name).mkdir(parents=True)
    system = unpacked("system", read_lock(), CACHE, print)
    at = next(place for pin, place in system.items() if pin.name == "busybox-static")
    shutil.copy(at / "bin/busybox", tree / "bin/busybox")
    init = tree / "sbin/init"
    init.write_text("#!/bin/busybox sh\necho a broken system starts\n/bin/busybox reboot -f\n")
    init.chmod(0o755)
    made = folder / "broken.squashfs"
    make_squashfs(tree, made)
    write_at(image, PLACES[Role.SLOT_B].start, made.read_bytes())


def set_slots(image: Path, state: Slots) -> None:
    """The state of the slots, as an updater leaves it."""
    write_at(image, slots.PLACES[0], slots.encode(state))


def board_of(image: Path, cache: Path, *append: str) -> Board:
    """A board with this card in it, off."""
    folder = image.parent
    fat = f"{image}@@{PLACES[Role.BOOT].start}"
    for name in (KERNEL, INITRAMFS):
        target = folder / f"{image.stem}-{name}"
        subprocess.run(["mcopy", "-o", "-i", fat, f"::/{name}", target], check=True)
    media = Media(
        kernel=folder / f"{image.stem}-{KERNEL}",
        initrd=folder / f"{image.stem}-{INITRAMFS}",
        append=("quiet", "panic=10", *append),
        disk=image,
        ready=UP,
    )
    fittings = Fittings(memory_mb=512, watchdog=True)
    return Board(VIRT, media, pinned_programs(cache), fittings)
