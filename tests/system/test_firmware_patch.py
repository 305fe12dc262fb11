"""Updates of the emulated microcontroller by patch: kept, refused, cut by a power cut."""

import dataclasses
from pathlib import Path

import pytest

from firmware.device.patch import COMMAND, GROUP
from firmware.link import smp
from hal.link import patch as patches
from hal.link.upload import Outcome, Phase, update
from qemu.board import Programs
from tests.support import mcu_images as images
from tests.support.boot_core import SECTOR, SLOT_BYTES
from tests.support.mcu import SLOTS_AT, mcu
from tests.support.mcu_update import Node, node, programmed, uploaded
from tests.support.system import until

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def flash(tmp_path: Path) -> Path:
    """Of a device that runs 0.1.0."""
    flash = tmp_path / "flash"
    programmed(flash, images.shipped())
    return flash


class PowerCutError(Exception):
    """Nothing goes on after it."""


def slot_1(flash: Path, length: int) -> bytes:
    with flash.open("rb") as file:
        file.seek(SLOTS_AT + SLOT_BYTES)
        return file.read(length)


def told(end: Node) -> dict[str, int]:
    found = end.ask(smp.READ, GROUP, COMMAND)
    assert "rsn" not in found, found
    return {str(name): value for name, value in found.items()}


def test_a_patch_is_applied_tried_and_kept(board_programs: Programs, flash: Path) -> None:
    image = images.changed("0.2.0")
    patch = patches.make(images.shipped(), image)
    seen: list[Phase] = []
    with mcu(board_programs, flash, counted=True) as chip, node(chip) as end:
        result = update(end.link, image, lambda phase, *_: seen.append(phase), patch=patch)
        assert (result.outcome, result.reason) == (Outcome.UPDATED, "")
        assert (result.patched, result.unpatched) == (True, "")
        assert result.sent < len(image.data) / 20
        assert Phase.APPLY in seen
        assert end.firmware() == {"slot": 1, "version": "0.2.0", "trial": False}
    assert slot_1(flash, len(image.data)) == image.data
    with mcu(board_programs, flash, counted=True) as chip, node(chip) as end:
        assert end.firmware()["version"] == "0.2.0", "it outlives a power cut"
        back = images.good("0.3.0")
        result = update(end.link, back, patch=patches.make(image, back))
        assert (result.outcome, result.patched) == (Outcome.UPDATED, True)
        assert end.firmware() == {"slot": 0, "version": "0.3.0", "trial": False}


def test_a_damaged_patch_or_one_of_another_base_is_refused_and_the_image_is_sent(
    board_programs: Programs, flash: Path
) -> None:
    image = images.changed("0.2.0")
    right = patches.make(images.shipped(), image)
    wrong = bytearray(right.data)
    wrong[len(wrong) // 2] ^= 1
    applied: list[int] = []

    def stop(phase: Phase, done: int, total: int) -> None:
        """Once the image is on its way, which takes a minute."""
        if phase is Phase.APPLY:
            applied.append(done)
        elif phase is Phase.UPLOAD and total == len(image.data) and done > SECTOR:
            raise PowerCutError

    with mcu(board_programs, flash, counted=True) as chip, node(chip) as end:
        with pytest.raises(PowerCutError):
            update(end.link, image, stop, patch=patches.parse(bytes(wrong)))
        assert applied[-1] == len(image.data), "what is wrong with it is seen at the end"
        found = end.ask(smp.READ, GROUP, COMMAND)
        assert found["rsn"] == "image: its SHA-256 is wrong"
        assert [one["slot"] for one in end.images()["images"]] == [0]

    # Most of the image was sent before; the node is led to believe that the patch fits, so that the
    # device has to judge.
    uploaded(flash, image, leave=40_000)
    other = patches.make(images.changed("0.1.5"), image)
    other = dataclasses.replace(other, base=images.shipped().digest)
    with mcu(board_programs, flash, counted=True) as chip, node(chip) as end:
        result = update(end.link, image, patch=other)
        assert (result.outcome, result.patched) == (Outcome.UPDATED, False)
        assert result.unpatched == "upload: patch: of another image than the one that runs"
        assert result.resumed_at > 0
        assert end.firmware() == {"slot": 1, "version": "0.2.0", "trial": False}


def test_a_power_cut_while_a_patch_is_applied_is_recovered(
    board_programs: Programs, flash: Path
) -> None:
    image = images.changed("0.2.0")
    patch = patches.make(images.shipped(), image)
    cut_at: list[int] = []

    def cut(phase: Phase, done: int, total: int) -> None:
        if phase is Phase.APPLY and done > SECTOR:
            cut_at.append(done)
            assert done < total
            raise PowerCutError

    with (
        mcu(board_programs, flash, counted=True) as chip,
        node(chip) as end,
        pytest.raises(PowerCutError),
    ):
        update(end.link, image, cut, patch=patch, wait=lambda _: None)
    assert cut_at
    assert slot_1(flash, len(image.data)) != image.data
    with mcu(board_programs, flash, counted=True) as chip, node(chip) as end:
        assert end.firmware()["version"] == "0.1.0"
        until(lambda: told(end)["len"] == 0, "it goes on without being asked", deadline=120.0)
        assert slot_1(flash, len(image.data)) == image.data
        result = update(end.link, image, patch=patch)
        assert (result.outcome, result.sent) == (Outcome.UPDATED, 0)
        assert end.firmware() == {"slot": 1, "version": "0.2.0", "trial": False}
