"""What lies in the boot partition: kernel, initramfs, device trees, firmware, settings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from boards.board import Board
from boards.image.cpio import initramfs
from boards.image.errors import ForeignError, PackageError, SpaceError
from boards.image.kernel import COMMON, RASPBERRY, VIRTUAL, WHERE_PRESENT, Modules, choose_modules

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
os_check=0
"""
BOOT_RESERVE = 4 << 20
"""Bytes for the file system itself and for what a person adds."""
SLOT_BUDGET = 64_000_000
"""Bytes of a slot's file system: what an update sends over the air at worst."""
_IMAGE_MAGIC = (56, b"ARM\x64")
"""Where, and what (Documentation/arch/arm64/booting.rst): the kernel as a Raspberry Pi starts it."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """An unpacked kernel package."""

    image: Path
    modules: Path
    builtin: Path
    """Directory with the list of what is built in."""
    device_trees: Path

    @classmethod
    def of(cls, packages: Iterable[Path]) -> "Kernel":
        """The one kernel of its packages; raises PackageError when a part is missing.

        Until Linux 6.12 Debian packs it whole; later ones come as base, binary and modules.
        """
        places = list(packages)

        def find(*patterns: str) -> Path:
            found = [file for at in places for what in patterns for file in sorted(at.glob(what))]
            if not found:
                raise PackageError(f"the kernel's packages hold no {patterns[0]}")
            return found[-1]

        return cls(
            image=find("boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz"),
            modules=find("usr/lib/modules/*/kernel").parent,
            builtin=find("usr/lib/modules/*/modules.builtin").parent,
            device_trees=find("usr/lib/linux-image-*", "usr/lib/modules/*/dtb"),
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
    at, magic = _IMAGE_MAGIC
    if not kernel.image.read_bytes()[at:].startswith(magic):
        raise ForeignError(f"{kernel.image.name}: no plain kernel image for AArch64")
    names = (*WHERE_PRESENT, *COMMON, *board.kernel.modules, *(RASPBERRY if firmware else VIRTUAL))
    chosen = choose_modules(kernel.modules, names, builtin_of=kernel.builtin)
    others = {"slots": (FILES / "slots").read_bytes(), **_late_modules(board, kernel, chosen)}
    files = {
        KERNEL: kernel.image.read_bytes(),
        INITRAMFS: initramfs(
            (FILES / "init").read_bytes(), busybox.read_bytes(), chosen.data, chosen.order, others
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


def check_room(files: Mapping[str, bytes], boot_size: int, slot_size: int) -> None:
    """Updates will fit: another kernel beside this one, and a slot within its budget.

    Raises SpaceError.
    """
    needed = sum(map(len, files.values())) + len(files[KERNEL]) + len(files[INITRAMFS])
    if needed > boot_size - BOOT_RESERVE:
        raise SpaceError(
            f"boot partition: {needed >> 20} MiB with a second kernel, {boot_size >> 20} MiB of room"
        )
    if slot_size > SLOT_BUDGET:
        raise SpaceError(f"slot: {slot_size / 1e6:.1f} MB; its budget is {SLOT_BUDGET / 1e6:.0f}")


def _late_modules(board: Board, kernel: Kernel, early: Modules) -> dict[str, bytes]:
    """Modules for when the slot is there: those of Wi-Fi ask for firmware, which lies in it."""
    if board.wifi is None:
        return {}
    chosen = choose_modules(
        kernel.modules,
        (*board.wifi.modules, *board.wifi.on_demand),
        builtin_of=kernel.builtin,
        without=early.order,
    )
    order = [name for name in chosen.order if name not in board.wifi.on_demand]
    files = {f"lib/late/{name}.ko": data for name, data in chosen.data.items()}
    files["lib/late/order"] = "".join(f"{name}.ko\n" for name in order).encode()
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
