"""Updates of the emulated microcontroller over its link: kept, refused, rolled back, resumed."""

import dataclasses
from pathlib import Path

import pytest

from hal.link.image import Image
from hal.link.upload import Outcome, Phase, update
from qemu.board import Programs
from tests.support import mcu_images as images
from tests.support.boot_core import SECTOR
from tests.support.mcu import FLASH_BYTES, SLOTS_AT, mcu
from tests.support.mcu_update import Unjudged, node, programmed

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def flash(tmp_path: Path) -> Path:
    return tmp_path / "flash"


class PowerCutError(Exception):
    """Nothing goes on after it."""


def test_an_update_that_a_power_cut_ends_goes_on_where_it_was_and_is_kept(
    board_programs: Programs, flash: Path
) -> None:
    image = images.good("0.2.0")
    half = len(image.data) // 2

    def cut(_: Phase, done: int, total: int) -> None:
        if done > half:
            raise PowerCutError

    with mcu(board_programs, flash) as chip, node(chip) as end:
        assert end.link.identity is not None
        assert end.link.identity.firmware == "0.1.0"
        assert end.firmware() == {"slot": 0, "version": "0.1.0", "trial": False}
        with pytest.raises(PowerCutError):
            update(end.link, image, cut)
    with mcu(board_programs, flash) as chip, node(chip) as end:
        assert end.firmware()["version"] == "0.1.0"
        result = update(end.link, image)
        assert result.outcome is Outcome.UPDATED
        assert half - SECTOR < result.resumed_at <= half + SECTOR
        assert result.sent < len(image.data) - half + 3 * SECTOR
        assert end.firmware() == {"slot": 1, "version": "0.2.0", "trial": False}
        told = [
            (one["version"], one["active"], one["confirmed"]) for one in end.images()["images"]
        ]
        assert told == [("0.1.0", False, False), ("0.2.0", True, True)]
    with mcu(board_programs, flash) as chip, node(chip) as end:
        assert end.link.identity is not None
        assert end.link.identity.firmware == "0.2.0", "it outlives a power cut"


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("hanging", "it hung: the watchdog ended it"),
        ("crashing", "it crashed"),
        ("stuck", "it hung: the watchdog ended it"),
        ("ended", "its program ended"),
        ("mute", "it met no node"),
    ],
)
def test_an_image_that_is_not_fit_is_rolled_back_and_the_node_hears_why(
    board_programs: Programs, flash: Path, broken: str, reason: str
) -> None:
    """The short ones are sent; the others lie in the other slot already, and are only tried."""
    if broken in ("hanging", "crashing"):
        image: Image = getattr(images, broken)("0.2.0")
    else:
        image = images.variant(broken, "0.2.0")
        programmed(flash, images.shipped(), image)
    with mcu(board_programs, flash) as chip, node(chip) as end:
        result = update(end.link, image)
        assert (result.outcome, result.reason) == (Outcome.ROLLED_BACK, reason)
        assert end.firmware() == {
            "slot": 0,
            "version": "0.1.0",
            "trial": False,
            "rollback": reason,
            "rolled_back": "0.2.0",
        }
        told = end.images()["rollback"]
        assert told == {
            "count": 1,
            "reason": reason,
            "version": "0.2.0",
            "hash": image.digest,
        }


def test_what_is_damaged_for_another_board_or_older_is_refused_with_a_reason(
    board_programs: Programs, flash: Path
) -> None:
    right = images.hanging("0.2.0")
    damaged = bytearray(right.data)
    damaged[36] ^= 1  # of its program
    elsewhere = images.hanging("0.2.0", board="pico")
    older = images.hanging("0.0.9")
    with mcu(board_programs, flash) as chip, node(chip) as end:
        link = Unjudged(end.link)
        for image, reason in (
            (dataclasses.replace(right, data=bytes(damaged)), "image: its SHA-256 is wrong"),
            (elsewhere, "board: the image is for another board than this"),
            (older, "version: 0.0.9 is older than 0.1.0, which runs"),
        ):
            result = update(link, image)
            assert (result.outcome, result.reason) == (Outcome.REFUSED, f"upload: {reason}")
        assert "for pico, this is mps2" in update(end.link, elsewhere).reason
        assert [one["slot"] for one in end.images()["images"]] == [0]
        assert end.firmware()["version"] == "0.1.0"


def test_when_flash_loses_the_image_that_runs_the_other_is_started(
    board_programs: Programs, flash: Path
) -> None:
    programmed(flash, images.good("0.1.0"), images.good("0.2.0"))
    with flash.open("r+b") as file:
        file.seek(SLOTS_AT + 5000)
        byte = file.read(1)
        file.seek(SLOTS_AT + 5000)
        file.write(bytes([byte[0] ^ 1]))
    with mcu(board_programs, flash) as chip, node(chip) as end:
        told = end.firmware()
        assert (told["version"], told["slot"]) == ("0.2.0", 1)
        assert told["rollback"] == "its SHA-256 in flash is wrong"


def test_a_bootloader_without_any_image_says_so(board_programs: Programs, flash: Path) -> None:
    bare = images.made() / "boot.elf"
    with flash.open("wb") as file:
        file.truncate(FLASH_BYTES)
    with mcu(board_programs, flash, elf=bare) as chip:
        chip.read_until(b"no image that can be started\r\n")
