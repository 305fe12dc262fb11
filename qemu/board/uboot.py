"""What U-Boot boots: a disk with kernel, initramfs and a script that its distro boot looks for."""

import struct
import zlib
from collections.abc import Sequence

from qemu.board.fat import boot_disk

_IMAGE_MAGIC = 0x27051956
_LINUX, _ARM64, _SCRIPT = 5, 22, 6


def uboot_disk(kernel: bytes, initrd: bytes, append: Sequence[str]) -> bytes:
    """A disk whose only partition boots `kernel` and `initrd`; raises ImageError."""
    script = _script(append).encode()
    return boot_disk({"VMLINUZ": kernel, "INITRD.GZ": initrd, "BOOT.SCR": script_image(script)})


def script_image(script: bytes) -> bytes:
    """A script in U-Boot's legacy image format, as `mkimage -T script` wraps one."""
    data = struct.pack(">II", len(script), 0) + script
    head = struct.Struct(">7I4B32s")
    kind = (_LINUX, _ARM64, _SCRIPT, 0)
    blank = (_IMAGE_MAGIC, 0, 0, len(data), 0, 0, zlib.crc32(data), *kind, b"")
    total = zlib.crc32(head.pack(*blank))
    return head.pack(_IMAGE_MAGIC, total, *blank[2:]) + data


def _script(append: Sequence[str]) -> str:
    place = "${devtype} ${devnum}:${distro_bootpart}"
    return (
        f"setenv bootargs {' '.join(append)}\n"
        f"load {place} ${{kernel_addr_r}} vmlinuz\n"
        f"load {place} ${{ramdisk_addr_r}} initrd.gz\n"
        "booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdt_addr}\n"
    )
