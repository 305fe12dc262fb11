"""One image, from packages to file. Nothing here needs root, a network only what is not cached."""

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from boards import provenance
from boards.board import Board, Role, agent_board_file, board_path, load_board, signature
from boards.compile.compiler import add_compiled
from boards.image import boot, disk, rootfs, sbom
from boards.image.agent import add_sources
from boards.image.errors import PackageError
from boards.image.tools import PACKAGES, need
from boards.image.wheels import wheels
from boards.packages import SETS, Lock, Package, Say, read_lock, unpacked

PROJECT = Path(__file__).parent.parent.parent
REQUIREMENTS = "requirements.lock"
VERSION = "0.1.0"


@dataclass(frozen=True, slots=True)
class Built:
    """An image and what is said about it."""

    image: Path
    sbom: Path
    provenance: Path
    sha256: str
    size: int
    """Bytes, holes included."""
    slot_size: int
    """Bytes of the file system in a slot."""
    seconds: float


class _Sources(NamedTuple):
    """All that an image is made of, on this machine."""

    system: Mapping[Package, Path]
    """All that the slot's programs and libraries are taken from."""
    kernel: Mapping[Package, Path]
    firmware: Mapping[Package, Path]
    wifi_firmware: Mapping[Package, Path]
    wheels: Mapping[str, Path]


def build(name: str, out: Path, cache: Path, say: Say, *, compiled: bool = False) -> Built:
    """Write the image of a board to `out`, its bill of materials and its provenance beside it.

    `name` is a board that ships with Skerry or the path of a board file; the agent stays
    bytecode, or is compiled to machine code. Raises BuildError for what the building machine lacks, other
    BoardsErrors for a wrong board.
    """
    began = time.monotonic()
    definition = board_path(name)
    board = load_board(definition)
    title = Path(name).stem
    need(PACKAGES, say)
    lock = read_lock()
    sources = _sources(board, lock, cache, say)

    def add_agent(site: Path) -> None:
        if compiled:
            headers = next(iter(unpacked("headers", lock, cache, say).values()))
            add_compiled(PROJECT, headers, cache, site, say)
        else:
            add_sources(PROJECT, site)

    with tempfile.TemporaryDirectory(prefix="image-", dir=cache) as place:
        work = Path(place)
        say("slot: laying out files")
        used = rootfs.build_root(
            work / "root",
            sources.system,
            sources.wheels,
            add_agent,
            agent_board_file(board, title),
            _wifi_firmware(board, sources),
        )
        say("slot: compressing")
        slot = work / "slot.squashfs"
        disk.make_squashfs(work / "root", slot)
        say("boot: kernel, modules, settings")
        fat = work / "boot.fat"
        _make_boot(board, definition, sources, work, fat, slot.stat().st_size)
        say(f"image: writing {out}")
        content = {Role.BOOT: fat, Role.SLOT_A: slot}
        disk.assemble(board.layout, content, out, signature(title))
        slot_size = slot.stat().st_size
    inside = {p: place for p, place in sources.system.items() if p.name in used}
    inside |= {**sources.kernel, **sources.firmware, **sources.wifi_firmware}
    bill = out.with_name(f"{out.name}.cdx.json")
    parts = (*sbom.of_packages(inside), *sbom.of_wheels(sources.wheels.values()))
    bill.write_bytes(sbom.document(f"skerry-{title}", VERSION, parts))
    origin = out.with_name(f"{out.name}{provenance.SUFFIX}")
    asked = {"board": title, "compiled": compiled}
    materials = _materials(sources, definition)
    origin.write_bytes(provenance.statement((out, bill), asked, VERSION, materials))
    digest = provenance.digest(out)
    return Built(
        out, bill, origin, digest, out.stat().st_size, slot_size, time.monotonic() - began
    )


def _sources(board: Board, lock: Lock, cache: Path, say: Say) -> _Sources:
    kernel, firmware = board.kernel.package, board.kernel.firmware
    radio = board.wifi.firmware if board.wifi else None
    keys = {"kernel.package": kernel, "kernel.firmware": firmware, "wifi.firmware": radio}
    for key, name in keys.items():
        if name is not None and name not in SETS:
            raise PackageError(f"{key}: no pinned set of packages for {name!r}")
    parts = ("system", "ssh", "wifi") if board.wifi else ("system", "ssh")
    return _Sources(
        {pin: at for part in parts for pin, at in unpacked(part, lock, cache, say).items()},
        unpacked(kernel, lock, cache, say),
        unpacked(firmware, lock, cache, say) if firmware else {},
        unpacked(radio, lock, cache, say) if radio else {},
        wheels(PROJECT / REQUIREMENTS, cache, say),
    )


def _materials(sources: _Sources, definition: Path) -> Iterator[provenance.Material]:
    packages = {**sources.system, **sources.kernel, **sources.firmware, **sources.wifi_firmware}
    yield from provenance.of_packages(packages)
    yield from provenance.of_wheels(sources.wheels.values())
    yield provenance.of_file(definition)
    yield provenance.of_project(PROJECT, VERSION)


def _wifi_firmware(board: Board, sources: _Sources) -> Mapping[str, bytes] | None:
    if board.wifi is None:
        return None
    found: dict[str, bytes] = {}
    for place in sources.wifi_firmware.values():
        for pattern in board.wifi.firmware_files:
            files = sorted((place / "usr/lib/firmware").glob(pattern))
            if not files:
                raise PackageError(f"wifi.firmware-files: {pattern}: the package has no such file")
            found |= {
                str(f.relative_to(place / "usr/lib/firmware")): f.read_bytes() for f in files
            }
    return found


def _make_boot(
    board: Board, definition: Path, sources: _Sources, work: Path, out: Path, slot_size: int
) -> None:
    files = boot.boot_files(
        board,
        boot.Kernel.of(sources.kernel.values()),
        work / "root/usr/bin/busybox",
        next(iter(sources.firmware.values()), None),
    )
    files[boot.BOARD] = definition.read_bytes()
    size = next(p.length for p in board.layout.places() if p.partition.role is Role.BOOT)
    boot.check_room(files, size, slot_size)
    disk.make_fat(files, out, size, work)
