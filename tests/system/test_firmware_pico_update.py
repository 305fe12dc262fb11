"""Updates of a Raspberry Pi Pico in rp2040js over its link: kept, refused, rolled back, cut while copied."""

from pathlib import Path

import pytest

from boards.firmware import flash_map
from hal.link.image import Image
from hal.link.upload import Outcome, update
from tests.support import mcu_images as images
from tests.support.boot_core import FLASH, Cause, Chip, Slots
from tests.support.mcu_update import Unjudged, node, uploaded
from tests.support.pico import FLASH_BYTES, flashed, pico, tty
from tests.support.system import skerry, until

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]
RUN, SLOT = flash_map("pico")["MAP_RUN"], flash_map("pico")["MAP_SLOTS"]
LEFT = 9_000
"""Bytes of an image that go over the emulated cable; the rest was uploaded before."""


@pytest.fixture
def flash(tmp_path: Path) -> Path:
    return flashed(tmp_path / "flash")


def runs(flash: Path, image: Image) -> bool:
    """Whether its program lies where programs run."""
    return flash.read_bytes()[RUN : RUN + len(image.program)] == image.program


def test_the_command_updates_one_that_runs_and_it_stays_updated(
    flash: Path, tmp_path: Path
) -> None:
    image = images.changed("0.2.0", "pico")
    file = tmp_path / "skerry-pico.bin"
    file.write_bytes(image.data)
    uploaded(flash, image, leave=LEFT, part="pico")
    with pico(flash) as board:
        with tty(board.link) as port:
            said = skerry("firmware", "update", str(file), "--port", port).stdout
        assert "runs 0.2.0, confirmed" in said
        assert "from before" in said, "an upload goes on after a power cut"
        assert runs(flash, image)
    with pico(flash) as board, node(board) as end:
        assert end.firmware() == {"slot": 1, "version": "0.2.0", "trial": False}


def test_what_is_for_another_board_is_refused_and_what_hangs_is_rolled_back(flash: Path) -> None:
    elsewhere = images.hanging("0.2.0", board="mps2")
    hangs = images.waiting("0.2.0", "pico")
    with pico(flash) as board, node(board) as end:
        assert "for mps2, this is pico" in update(end.link, elsewhere).reason
        result = update(Unjudged(end.link), elsewhere)
        assert result.outcome is Outcome.REFUSED
        assert result.reason == "upload: board: the image is for another board than this"
        result = update(end.link, hangs)
        reason = "it hung: the watchdog ended it"
        assert (result.outcome, result.reason) == (Outcome.ROLLED_BACK, reason)
        assert end.firmware() == {
            "slot": 0,
            "version": "0.1.0",
            "trial": False,
            "rollback": reason,
            "rolled_back": "0.2.0",
        }
        assert runs(flash, images.shipped("pico"))


def test_a_copy_that_power_cuts_end_is_made_at_the_next_start_and_kept(flash: Path) -> None:
    image = images.changed("0.2.0", "pico")
    chip = Chip(flash.read_bytes().ljust(FLASH, b"\xff"), "pico")
    chip.put(1, image.data)
    Slots(chip).mark(1)
    flash.write_bytes(chip.flash[:FLASH_BYTES])
    state = 4  # two copies, erased and written: a try is counted before
    for cut in ((state + 1, 100), (state + 700, 90)):  # the first sector goes; a page, half way
        with pico(flash, cut=cut) as board:
            board.wait_for("dark")
        assert not runs(flash, image)
        assert Chip(flash.read_bytes().ljust(FLASH, b"\xff"), "pico").start(Cause.POWER).slot == 1
    with pico(flash) as board, node(board) as end:
        assert end.link.identity is not None
        assert end.link.identity.firmware == "0.2.0"
        assert runs(flash, image)
        until(lambda: not end.firmware()["trial"], "it is kept", 60)
        assert end.firmware() == {"slot": 1, "version": "0.2.0", "trial": False}


def test_one_that_has_nothing_to_start_shows_its_drive(flash: Path) -> None:
    whole = bytearray(flash.read_bytes())
    whole[SLOT + 5000] ^= 1
    flash.write_bytes(whole)
    with pico(flash) as board:
        board.wait_for("bootloader")
