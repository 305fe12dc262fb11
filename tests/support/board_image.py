"""An image of the builder as the virtual board of `qemu.board` boots it: kernel, settings, disk."""

import subprocess
from pathlib import Path

from boards.image.boot import INITRAMFS, KERNEL, SETTINGS
from boards.image.build import PROJECT
from qemu.board import Media

CACHE = PROJECT / ".cache/boards"
PYTHON = "/usr/bin/python3.11"
SITE = "/usr/lib/skerry"
IN_SLOT = f"PYTHONPATH={SITE} {PYTHON} -S"
"""How a shell of the board runs the slot's interpreter with the slot's packages."""
_BOOT_AT = "@@4M"


def image_media(image: Path, folder: Path, ready: str) -> Media:
    """What `qemu.board` boots from `image`: the kernel it holds, started directly."""
    for name in (KERNEL, INITRAMFS):
        _mtools("mcopy", "-n", "-o", "-i", f"{image}{_BOOT_AT}", f"::/{name}", folder / name)
    return Media(
        kernel=folder / KERNEL,
        initrd=folder / INITRAMFS,
        append=("quiet", "panic=10"),
        disk=image,
        ready=ready,
    )


def preseed(image: Path, folder: Path, text: str) -> None:
    """Replace the image's `skerry.toml`."""
    file = folder / SETTINGS
    file.write_text(text)
    _mtools("mcopy", "-o", "-i", f"{image}{_BOOT_AT}", file, f"::/{SETTINGS}")


def _mtools(*arguments: str | Path) -> None:
    subprocess.run(arguments, check=True, timeout=60)
