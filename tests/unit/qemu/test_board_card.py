"""What QEMU is handed comes out of the image, and an image that lacks it is told so."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from boards.board import HERE, Role, find_board
from boards.image.disk import assemble, make_fat
from boards.image.tools import PACKAGES, SEARCH
from qemu.board.card import board_of, emulated
from qemu.board.errors import ImageError

pytestmark = pytest.mark.skipif(
    any(shutil.which(program, path=SEARCH) is None for program in PACKAGES),
    reason="programs that build images are not installed",
)
FILES = {
    "board.toml": (HERE / "virt.toml").read_bytes(),
    "vmlinuz": b"kernel",
    "initrd.gz": b"ramdisk",
    "cmdline.txt": b"console=ttyS1,115200 quiet panic=10\n",
}


def card(image: Path, files: Mapping[str, bytes]) -> Path:
    layout = find_board("virt").layout
    fat = image.with_suffix(".fat")
    make_fat(files, fat, next(iter(layout.places())).length, image.parent)
    assemble(layout, {Role.BOOT: fat}, image, b"card")
    return image


def test_machine_and_media_are_those_of_the_boards_definition(tmp_path: Path) -> None:
    image = card(tmp_path / "card.img", FILES)
    board = board_of(image)
    machine, media = emulated(board, image, tmp_path)
    assert (board.title, machine.name, machine.memory_mb) == ("QEMU virt", "virt", 512)
    assert media.kernel is not None
    assert media.kernel.read_bytes() == b"kernel"
    assert media.initrd is not None
    assert media.initrd.read_bytes() == b"ramdisk"
    assert media.append == ("quiet", "panic=10")
    assert (media.disk, media.device_tree) == (image, None)


def test_a_board_may_be_named_and_what_its_image_lacks_is_told(tmp_path: Path) -> None:
    image = card(tmp_path / "card.img", FILES)
    board = board_of(image, "rpi3")
    with pytest.raises(ImageError, match=r"no bcm2837-rpi-3-b\.dtb"):
        emulated(board, image, tmp_path)
    with pytest.raises(ImageError, match="no machine of QEMU"):
        emulated(find_board("rpi5"), image, tmp_path)


def test_an_image_that_names_no_board_is_told_how_to_say_it(tmp_path: Path) -> None:
    image = card(tmp_path / "card.img", FILES | {"board.toml": b"title = 1"})
    with pytest.raises(ImageError, match=r"title: .*--board NAME"):
        board_of(image)
    image.write_bytes(b"\0" * 4096)
    with pytest.raises(ImageError, match="no image of a card"):
        board_of(image)
    with pytest.raises(ImageError, match="No such file"):
        board_of(tmp_path / "none.img")
