"""A tiny system to boot: Debian's kernel, busybox and one script, made once per content."""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from qemu.board.command import kernel_words
from qemu.board.fat import SIZE
from qemu.board.fdt import without
from qemu.board.initramfs import initramfs, module_order
from qemu.board.lock import making
from qemu.board.machine import Machine, Media
from qemu.board.newc import Entry
from qemu.board.packages import tree
from qemu.board.uboot import uboot_disk

_INIT = Path(__file__).parent / "guest" / "init"


def tiny_media(
    machine: Machine,
    cache: Path,
    *,
    modules: Sequence[str] = (),
    more: Sequence[Entry] = (),
    init: bytes | None = None,
) -> Media:
    """Kernel, initramfs and device tree for `machine` in `cache`, on a disk where U-Boot wants one.

    `modules` and `more` add kernel modules and files; an executable `etc/board-start` runs at
    boot. `init` is another script in the place of ours. Raises PackageError, ImageError.
    """
    with making(cache):
        return _made(machine, cache, modules, more, init or _INIT.read_bytes())


def _made(
    machine: Machine, cache: Path, modules: Sequence[str], more: Sequence[Entry], init: bytes
) -> Media:
    root = tree("tiny-arm64", cache)
    kernel = next(iter(sorted((root / "boot").glob("vmlinuz-*"))))
    release = kernel.name.removeprefix("vmlinuz-")
    wanted = (*machine.modules, *modules)
    recipe = msgspec.json.encode((str(root.name), wanted, more))
    digest = hashlib.sha256(recipe + init + _own_code()).hexdigest()[:16]
    initrd = cache / "tiny" / f"initrd-{digest}.gz"
    if not initrd.is_file():
        loaded = module_order(root / "lib/modules" / release, wanted)
        busybox = (root / "bin/busybox").read_bytes()
        _store(initrd, initramfs(busybox, init, loaded, more))
    if machine.firmware is not None:
        return _on_disk(machine, machine.firmware, kernel, initrd, cache)
    return Media(kernel=kernel, initrd=initrd, device_tree=_device_tree(machine, root, cache))


def _on_disk(machine: Machine, firmware: str, kernel: Path, initrd: Path, cache: Path) -> Media:
    loader = tree("u-boot", cache) / "usr/lib/u-boot" / firmware / "u-boot.bin"
    made = uboot_disk(kernel.read_bytes(), initrd.read_bytes(), kernel_words(machine))
    disk = cache / "tiny" / f"disk-{hashlib.sha256(made).hexdigest()[:16]}.img"
    if not disk.is_file():
        _store(disk, made, SIZE)
    return Media(firmware=loader, disk=disk)


def _device_tree(machine: Machine, root: Path, cache: Path) -> Path | None:
    if machine.device_tree is None:
        return None
    folder = next(iter(sorted((root / "usr/lib").glob("linux-image-*"))))
    blob = (folder / machine.device_tree).read_bytes()
    for path in machine.device_tree_without:
        blob = without(blob, path)
    made = cache / "tiny" / f"{machine.name}-{hashlib.sha256(blob).hexdigest()[:16]}.dtb"
    if not made.is_file():
        _store(made, blob)
    return made


def _own_code() -> bytes:
    """What else decides the bytes: another way of packing makes another file."""
    folder = Path(__file__).parent
    return b"".join((folder / name).read_bytes() for name in ("initramfs.py", "newc.py"))


def _store(file: Path, data: bytes, size: int | None = None) -> None:
    """Write a file that appears whole or not at all: other sessions share the cache.

    `size`: bytes in all, where zeros follow the data.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as work:
        work.write(data)
        if size is not None:
            work.truncate(size)
    Path(work.name).replace(file)
