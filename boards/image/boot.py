"""What lies in the boot partition: kernel, initramfs, device trees, firmware, settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from boards.board import Board
from boards.image.cpio import initramfs
from boards.image.errors import PackageError
from boards.image.kernel import COMMON, RASPBERRY, VIRTUAL, choose_modules

FILES = Path(__file__).parent / "files"
KERNEL, INITRAMFS, SETTINGS = "vmlinuz", "initrd.gz", "skerry.toml"
BOARD = "board.toml"
"""The board file itself: an image says what it is for."""
_FIRMWARE = (
    *("bootcode.bin", "fixup.dat", "fixup_cd.dat", "start.elf", "start_cd.elf"),
    *("fixup4.dat", "fixup4cd.dat", "start4.elf", "start4cd.elf"),
)
"""Of the Raspberry Pi: the usual and the smallest build, for a Pi 3 and for a Pi 4."""
_CONFIG = f"""# Read by the Raspberry Pi's firmware.
arm_64bit=1
enable_uart=1
upstream_kernel=1
kernel={KERNEL}
initramfs {INITRAMFS} followkernel
gpu_mem=16
"""


@dataclass(frozen=True, slots=True)
class Kernel:
    """An unpacked kernel package."""

    image: Path
    modules: Path
    device_trees: Path

    @classmethod
    def of(cls, package: Path) -> "Kernel":
        """The one kernel of a package; raises PackageError when there is none."""
        images = sorted((package / "boot").glob("vmlinuz-*"))
        if not images:
            raise PackageError(f"{package} holds no kernel")
        release = images[-1].name.removeprefix("vmlinuz-")
        return cls(
            images[-1],
            package / "usr/lib/modules" / release,
            package / "usr/lib" / f"linux-image-{release}",
        )


def command_line(board: Board) -> str:
    """What the kernel is told; a direct start of the same image in QEMU uses it too."""
    console = board.console
    if board.kernel.firmware is None and board.qemu is not None:
        device = board.qemu.console
    else:
        device = console.device
    return f"console={device},{console.baud} quiet panic=10"


def boot_files(
    board: Board, kernel: Kernel, busybox: Path, firmware: Path | None
) -> dict[str, bytes]:
    """Every file of the boot partition by its path there."""
    chosen = choose_modules(kernel.modules, (*COMMON, *(RASPBERRY if firmware else VIRTUAL)))
    files = {
        KERNEL: kernel.image.read_bytes(),
        INITRAMFS: initramfs(
            (FILES / "init").read_bytes(), busybox.read_bytes(), chosen.data, chosen.order
        ),
        SETTINGS: (FILES / SETTINGS).read_bytes(),
        "cmdline.txt": f"{command_line(board)}\n".encode(),
    }
    for name in board.kernel.device_trees:
        tree = kernel.device_trees / name
        if not tree.is_file():
            raise PackageError(f"kernel.device-trees: {kernel.image.name} brings no {name}")
        files[tree.name] = tree.read_bytes()
    if firmware is not None:
        files.update(_firmware(firmware))
    return files


def _firmware(package: Path) -> Mapping[str, bytes]:
    source = package / "usr/lib/raspi-firmware"
    found = {name: (source / name).read_bytes() for name in _FIRMWARE if (source / name).is_file()}
    if "start.elf" not in found:
        raise PackageError(f"{source} holds no start.elf")
    found["config.txt"] = _CONFIG.encode()
    licence = package / "usr/share/doc/raspi-firmware/copyright"
    if licence.is_file():
        found["LICENCE.firmware"] = licence.read_bytes()
    return found
