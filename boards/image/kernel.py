"""Kernel modules that a board needs to find its disk, its network and its buses, and no more."""

import lzma
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from boards.image.errors import PackageError

COMMON = ("squashfs", "ext4", "vfat", "nls_cp437", "nls_ascii", "i2c_dev")
WHERE_PRESENT = ("crc32c_generic",)
"""Until Linux 6.14 ext4 asks for crc32c by an algorithm's name, which no dependency shows."""
VIRTUAL = ("virtio_blk", "virtio_net", "virtio_rng", "i6300esb")
RASPBERRY = (
    *("bcm2835", "sdhci_iproc", "phy_generic", "dwc2", "i2c_bcm2835", "bcm2835_wdt"),
    *("smsc95xx", "lan78xx", "cdc_ether", "rndis_host"),
    "cdc_acm",
)
"""Both SD controllers, USB (which waits ten seconds for a driver of its phy), and the network of a Pi 3, a Pi 3 B+, and of QEMU's USB adapter; last, a microcontroller with USB of its own."""

_DEPENDS = re.compile(rb"(?<=\0)depends=([^\0]*)\0")


@dataclass(frozen=True, slots=True)
class Modules:
    """Modules as the kernel takes them, by name, and the order to load them in."""

    data: Mapping[str, bytes]
    order: tuple[str, ...]


def choose_modules(
    tree: Path,
    names: Iterable[str],
    *,
    builtin_of: Path | None = None,
    without: Iterable[str] = (),
) -> Modules:
    """`names` and all they depend on, from a kernel's directory of modules.

    Those built into the kernel (as `builtin_of` lists them, if not `tree` itself) and those in
    `without` are left out; an unknown one raises PackageError.
    """
    files = {_name(file.name): file for file in (tree / "kernel").rglob("*.ko*")}
    builtin = {_name(Path(line).name) for line in _lines((builtin_of or tree) / "modules.builtin")}
    builtin |= set(without)
    data: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in data or name in builtin:
            return
        if name not in files:
            raise PackageError(f"kernel {tree.name} has no module {name}")
        content = _content(files[name])
        found = _DEPENDS.search(content)
        for needed in found[1].decode().split(",") if found and found[1] else ():
            add(_name(needed))
        data[name] = content

    for name in names:
        if name in files or name not in WHERE_PRESENT:
            add(name)
    return Modules(data, tuple(data))


def _name(file: str) -> str:
    return file.partition(".ko")[0].replace("-", "_")


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


def _content(file: Path) -> bytes:
    raw = file.read_bytes()
    return lzma.decompress(raw) if file.suffix == ".xz" else raw
