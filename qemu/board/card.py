"""Booting the very image that a card is flashed with: what QEMU needs comes out of the image.

A real board's firmware loads kernel, initramfs and device tree from the boot partition; QEMU has
no such firmware and is handed the same files. The image itself is never written.
"""

from pathlib import Path

import msgspec

from boards.board import FILE_LIMIT, Board, find_board, parse_board
from boards.errors import BoardFileError, BootPartitionError
from boards.flash.fat import MBR_SIZE, Fat, boot_partition
from boards.image.boot import BOARD, INITRAMFS, KERNEL
from qemu.board.errors import ImageError
from qemu.board.fdt import without
from qemu.board.machine import DiskBus, Machine, Media, machine_named

READY = "s after the kernel"
"""What a Skerry image says on its console when the agent starts."""
BOOT_FILE_LIMIT = 128 << 20
"""Bytes; Debian's kernels have about 40 million."""
_SLOWER = 3
"""How much longer than the tiny system an image takes: it makes a file system, starts Python."""


class BootFiles:
    """The root directory of an image's boot partition. One thread at a time."""

    def __init__(self, image: Path) -> None:
        """Raises ImageError when it is no image of a card."""
        self._image = image
        try:
            self._fat = Fat(self._at, boot_partition(self._at(0, MBR_SIZE)))
        except (OSError, BootPartitionError) as fault:
            raise ImageError(f"{image}: {fault}") from fault

    def read(self, name: str, limit: int = BOOT_FILE_LIMIT) -> bytes:
        """A file's bytes; raises ImageError when it is missing or damaged."""
        try:
            return self._fat.read(self._fat.find(name), limit)
        except BootPartitionError as fault:
            raise ImageError(f"{self._image}: {fault}") from fault

    def _at(self, offset: int, length: int) -> bytes:
        with self._image.open("rb") as disk:
            disk.seek(offset)
            data = disk.read(length)
        if len(data) < length:
            raise BootPartitionError("cut short: this is no image of a card")
        return data


def board_of(image: Path, name: str | None = None) -> Board:
    """The board that the image says it is for, or the one of that name.

    Raises ImageError, or a BoardsError when there is no board of that name.
    """
    if name is not None:
        return find_board(name)
    files = BootFiles(image)
    try:
        return parse_board(files.read(BOARD, FILE_LIMIT).decode())
    except (ImageError, BoardFileError, UnicodeDecodeError) as fault:
        raise ImageError(f"{fault}; say which board it is for: --board NAME") from fault


def emulated(board: Board, image: Path, folder: Path) -> tuple[Machine, Media]:
    """How QEMU shows `board` with `image` as its card; `folder` receives what QEMU is handed.

    Raises ImageError when the board is in no QEMU or the image lacks a file.
    """
    shown = board.qemu
    if shown is None:
        raise ImageError(f"{board.title}: no machine of QEMU shows this board")
    machine = machine_named(shown.machine)
    machine = msgspec.structs.replace(
        machine,
        cpu=machine.cpu and board.cpu,
        memory_mb=shown.memory_mib,
        console=shown.console,
        disk=DiskBus(shown.disk.value),
        network=shown.network,
        i2c_buses=tuple(shown.i2c.values()),
        append=(),
        boot_s=machine.boot_s * _SLOWER,
    )
    files = BootFiles(image)
    tree = None
    if board.kernel.device_trees:
        tree = _stored(folder / "board.dtb", _device_tree(board, files))
    media = Media(
        kernel=_stored(folder / KERNEL, files.read(KERNEL)),
        initrd=_stored(folder / INITRAMFS, files.read(INITRAMFS)),
        device_tree=tree,
        append=_words(files.read("cmdline.txt").decode()),
        disk=image,
        ready=READY,
    )
    return machine, media


def _device_tree(board: Board, files: BootFiles) -> bytes:
    """That of the first model, without what the machine lacks."""
    blob = files.read(Path(board.kernel.device_trees[0]).name)
    for node in board.qemu.device_tree_removes if board.qemu else ():
        blob = without(blob, node)
    return blob


def _words(command_line: str) -> tuple[str, ...]:
    """What the kernel is told on the real board, but for the console: QEMU's has another name."""
    return tuple(word for word in command_line.split() if not word.startswith("console="))


def _stored(file: Path, data: bytes) -> Path:
    file.write_bytes(data)
    return file
