"""The power-cut sweep: an update of the emulated microcontroller, cut at chosen writes to its flash.

A debugger stops the machine where it is about to write. What flash then holds, with the write done
in part, is what a power cut leaves: QEMU keeps flash in a mapped file. Each is started by QEMU.

Every write of the bootloader's state is cut here, and every STRIDE-th of all others (images, files,
marks). Every write of a small update is cut in tests/unit/firmware/test_device_update.py.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from boards.firmware import BOOTLOADER, PROGRAM
from hal.link.upload import Outcome, Result, update
from qemu.board import Programs
from tests.support import mcu_images as images
from tests.support.boot_core import FLASH, SECTOR, Cause, Chip
from tests.support.gdb import Debugger, address_of
from tests.support.mcu import FLASH_BYTES, Mcu, mcu
from tests.support.mcu_update import Node, node, programmed, uploaded

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]

STRIDE = 40
"""So that the sweep takes a minute on two cores of CI."""
LEFT = 40_000
"""Bytes of the image that are sent; the rest was uploaded before."""
STATE_BYTES = 2 * SECTOR
TORN = (0, 7, 60, 4096)
"""Bytes of the write that are done, in turn."""


@dataclass(frozen=True)
class Cut:
    write: int
    at: int
    torn: int
    flash: Path


@contextmanager
def watched(programs: Programs, flash: Path, place: Path) -> Iterator[tuple[Mcu, Node, Debugger]]:
    """A machine that was met, and from now on stops before each write to flash."""
    made = images.made()
    stops = [address_of("nor_commit", made / name) for name in (BOOTLOADER, PROGRAM)]
    where = place / "gdb"
    with (
        mcu(programs, flash, elf=made / BOOTLOADER, debugger=where) as chip,
        node(chip) as end,
        Debugger(where) as debugger,
    ):
        debugger.stop_at(stops)
        yield chip, end, debugger


def sweep(programs: Programs, flash: Path, place: Path) -> tuple[list[Cut], int, Result]:
    """Update once, and keep what each cut would have left; how many writes there were."""
    cuts: list[Cut] = []
    writes = 0
    results: list[Result] = []
    with watched(programs, flash, place) as (_, end, debugger):

        def does() -> None:
            results.append(update(end.link, images.good("0.2.0")))

        updating = threading.Thread(target=does)
        updating.start()
        debugger.go()
        while updating.is_alive():
            registers = debugger.stopped(0.5)
            if registers is None:
                continue
            at, data, length = registers[:3]
            if at < STATE_BYTES or writes % STRIDE == 0:
                torn = TORN[len(cuts) % len(TORN)]
                done = debugger.memory(data, min(torn, length)) if data else None
                kept = place / f"cut-{writes}"
                keep(flash, kept, at, done, min(torn, length))
                cuts.append(Cut(writes, at, torn, kept))
            writes += 1
            debugger.go()
    (result,) = results
    return cuts, writes, result


def keep(flash: Path, kept: Path, at: int, data: bytes | None, torn: int) -> None:
    """Flash as it is, with the first bytes of a write done; `data` None: of an erasure."""
    with flash.open("rb") as file, kept.open("wb") as copy:
        copy.write(file.read(FLASH))
        copy.truncate(FLASH_BYTES)  # nothing is kept beyond the slots
    with kept.open("r+b") as file:
        file.seek(at)
        before = file.read(torn)
        file.seek(at)
        if data is None:
            file.write(b"\xff" * torn)
        else:
            file.write(bytes(old & new for old, new in zip(before, data, strict=True)))


def predicted(flash: Path) -> int:
    """The slot that the bootloader's core, on this machine, would start."""
    with flash.open("rb") as file:
        return Chip(file.read(FLASH)).start(Cause.POWER).slot


def test_whatever_write_a_power_cut_ends_the_right_image_is_started(
    board_programs: Programs, tmp_path: Path
) -> None:
    flash = tmp_path / "flash"
    programmed(flash, images.good("0.1.0"))
    uploaded(flash, images.good("0.2.0"), leave=LEFT)
    cuts, writes, result = sweep(board_programs, flash, tmp_path)
    assert result.outcome is Outcome.UPDATED
    assert result.resumed_at > 0
    state = [cut for cut in cuts if cut.at < STATE_BYTES]
    # Marked, tried (again, on a machine that is slow enough for the watchdog), confirmed: each time
    # two copies, erased and written.
    assert len(state) >= 12
    assert len(state) % 4 == 0
    others = len(cuts) - len(state)
    assert others >= 5

    bare = images.made() / BOOTLOADER
    versions: list[str] = []
    for cut in cuts:
        slot = predicted(cut.flash)
        with mcu(board_programs, cut.flash, elf=bare) as chip:
            said = chip.read_until(b"\r\n").decode()
            with node(chip) as end:
                assert end.link.identity is not None
                version = end.link.identity.firmware
                assert end.firmware()["slot"] == slot, cut
        assert said.startswith(f"boot: {version} in slot {slot}"), cut
        versions.append(version)
    ordered = sorted(versions)
    assert versions == ordered, "once it is marked, and not before, the new one is started"
    assert {"0.1.0", "0.2.0"} == set(versions)
    assert writes > STRIDE * others - STRIDE
