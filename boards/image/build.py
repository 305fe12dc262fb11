"""One image, from packages to file. Nothing here needs root, a network only what is not cached."""

import hashlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from boards.board import Role, agent_board_file, find_board
from boards.image import boot, disk, rootfs, sbom
from boards.image.agent import add_sources
from boards.image.errors import PackageError
from boards.image.tools import PACKAGES, need
from boards.image.wheels import wheels
from boards.packages import SETS, Say, read_lock, unpacked

PROJECT = Path(__file__).parent.parent.parent
REQUIREMENTS = "requirements.lock"
VERSION = "0.1.0"


@dataclass(frozen=True, slots=True)
class Built:
    """An image and what is said about it."""

    image: Path
    sbom: Path
    sha256: str
    size: int
    """Bytes, holes included."""
    slot_size: int
    """Bytes of the file system in a slot."""
    seconds: float


def build(name: str, out: Path, cache: Path, say: Say) -> Built:
    """Write the image of a board to `out`, and its bill of materials beside it.

    `name` is a board that ships with Skerry or the path of a board file. Raises BuildError for
    what the building machine lacks, BoardsError for a wrong board.
    """
    began = time.monotonic()
    board = find_board(name)
    title = Path(name).stem
    need(PACKAGES, say)
    lock = read_lock()
    if board.kernel.package not in SETS:
        raise PackageError(f"kernel.package: no set of packages for {board.kernel.package!r}")
    system = unpacked("system", lock, cache, say)
    kernel = unpacked(board.kernel.package, lock, cache, say)
    firmware = unpacked(board.kernel.firmware, lock, cache, say) if board.kernel.firmware else {}
    wheel_files = wheels(PROJECT / REQUIREMENTS, cache, say)
    with tempfile.TemporaryDirectory(prefix="image-", dir=cache) as place:
        work = Path(place)
        say("slot: laying out files")
        used = rootfs.build_root(
            work / "root",
            system,
            wheel_files,
            lambda site: add_sources(PROJECT, site),
            agent_board_file(board, title),
        )
        say("slot: compressing")
        slot = work / "slot.squashfs"
        disk.make_squashfs(work / "root", slot)
        say("boot: kernel, modules, settings")
        files = boot.boot_files(
            board,
            boot.Kernel.of(next(iter(kernel.values()))),
            work / "root/usr/bin/busybox",
            next(iter(firmware.values()), None),
        )
        fat = work / "boot.fat"
        size = next(p.length for p in board.layout.places() if p.partition.role is Role.BOOT)
        disk.make_fat(files, fat, size, work)
        parts = {Role.BOOT: fat, Role.SLOT_A: slot}
        signature = hashlib.sha256(title.encode()).digest()[:4]
        say(f"image: writing {out}")
        disk.assemble(board.layout, parts, out, signature)
        slot_size = slot.stat().st_size
    inside = {p: d for p, d in {**system, **kernel, **firmware}.items() if p not in system or p.name in used}
    bill = out.with_name(f"{out.name}.cdx.json")
    bill.write_bytes(sbom.document(title, VERSION, inside, wheel_files.values()))
    with out.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Built(out, bill, digest, out.stat().st_size, slot_size, time.monotonic() - began)
