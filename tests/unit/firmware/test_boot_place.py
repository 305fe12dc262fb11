"""A part that executes from flash: a program is copied to where it runs, whatever the power does meanwhile.

On the map of `pico`, with the bootloader's own core. Every write of the copy is torn here.
"""

import random
import struct

import pytest

from boards import mcuboot, uf2
from boards.firmware import LOAD_ADDRESSES, flash_map, for_drive
from boards.image.errors import BuildError
from tests.support.boot_core import FLASH, SECTOR, Boot, Cause, Chip, Slots
from tests.support.pico import burnt

MAP = flash_map("pico")
RUN, SLOTS, SLOT = MAP["MAP_RUN"], MAP["MAP_SLOTS"], MAP["MAP_SLOT_BYTES"]
POWER, FLASH_WORN = 4, 11
"""Of `state.h`."""
TORN = (0, 1, 100, 255, SECTOR // 2, SECTOR)


def program(version: str, size: int = 2 * SECTOR + 700) -> bytes:
    """Its first sector is that of every other version: only what follows tells them apart."""
    load = LOAD_ADDRESSES["pico"]
    same = struct.pack("<II", 0x20042000, load + 9).ljust(SECTOR, b"\x5a")
    return same + random.Random(version).randbytes(size - SECTOR)


def image(version: str, size: int = 2 * SECTOR + 700, board: str = "pico") -> bytes:
    load = LOAD_ADDRESSES["pico"]
    return mcuboot.image(program(version, size), version=version, board=board, load_address=load)


OLD, NEW = "0.1.0", "0.2.0"


@pytest.fixture
def chip() -> Chip:
    """One that ran 0.1.0, and has 0.2.0 in its other slot."""
    made = Chip(bytes([0xFF]) * FLASH, "pico")
    made.put(0, image(OLD))
    made.put(1, image(NEW))
    assert started(made, Cause.POWER).slot == 0
    return made


def started(chip: Chip, cause: Cause) -> Boot:
    """All that the bootloader does."""
    boot = chip.start(cause)
    assert chip.place(boot)
    return boot


def runs(chip: Chip, version: str) -> bool:
    """Whether the program of a version lies where programs run."""
    whole = program(version)
    return chip.flash[RUN : RUN + len(whole)] == whole


def test_the_map_has_room_for_all_and_nothing_twice() -> None:
    ends = [MAP["MAP_BOOT_BYTES"], MAP["MAP_STATE"] + 2 * SECTOR, SLOTS + 2 * SLOT]
    begins = [MAP["MAP_STATE"], SLOTS, RUN]
    assert ends == begins
    assert RUN + MAP["MAP_RUN_BYTES"] <= MAP["MAP_FILES"]
    assert MAP["MAP_FILES"] + MAP["MAP_FILES_BYTES"] == 2 << 20
    assert LOAD_ADDRESSES["pico"] == uf2.RP2040_FLASH + RUN
    assert all(number % SECTOR == 0 for number in MAP.values())


def test_a_program_that_lies_there_is_not_written_again(chip: Chip) -> None:
    before, writes = chip.flash, chip.writes
    assert runs(chip, OLD)
    for cause in Cause:
        assert started(chip, cause).slot == 0
    assert (chip.flash, chip.writes) == (before, writes)


def test_what_decays_where_programs_run_is_made_good(chip: Chip) -> None:
    decayed = bytearray(chip.flash)
    decayed[RUN + 2 * SECTOR + 699] ^= 1
    chip.restore(bytes(decayed))
    assert started(chip, Cause.WATCHDOG).slot == 0
    assert runs(chip, OLD)


def test_a_trial_and_the_way_back_each_copy_their_program(chip: Chip) -> None:
    slots = Slots(chip)
    slots.mark(1)
    for _ in range(3):
        assert started(chip, Cause.POWER).slot == 1
        assert runs(chip, NEW)
    assert started(chip, Cause.POWER).slot == 0
    assert runs(chip, OLD)
    assert slots.state()[4:7] == (POWER, 1, NEW)


@pytest.mark.parametrize("of", ["trial", "rollback"])
def test_a_power_cut_in_any_write_of_the_copy_costs_a_start_and_nothing_else(
    chip: Chip, of: str
) -> None:
    slots = Slots(chip)
    slots.mark(1)
    if of == "rollback":
        for _ in range(3):
            started(chip, Cause.POWER)
    boot = chip.start(Cause.POWER)
    goes, other = (NEW, OLD) if of == "trial" else (OLD, NEW)
    before, writes = chip.flash, chip.writes
    assert chip.place(boot)
    count = chip.writes - writes
    # The first sector goes, two with 16 and 3 pages come, and the first with its 16 comes last.
    assert count == 1 + (1 + 16) + (1 + 3) + (1 + 16)
    apart = [at for at in range(0, FLASH, SECTOR) if not RUN <= at < RUN + 3 * SECTOR]
    rest = [before[at : at + SECTOR] for at in apart]
    for write in range(1, count + 1):
        for torn in TORN:
            chip.restore(before)
            chip.started = boot.slot
            chip.power(write, torn)
            placed = chip.place(boot)
            chip.power(None)
            assert not placed or runs(chip, goes), "what is not whole is not started"
            if write < count:
                assert not runs(chip, goes), "it cannot be taken for whole before its last write"
            assert not runs(chip, other) or not placed
            flash = chip.flash
            assert [flash[at : at + SECTOR] for at in apart] == rest, "slots and state stay"
            again = started(chip, Cause.POWER)
            assert again.slot == boot.slot
            assert runs(chip, goes)
    assert of == "rollback" or chip.state().tries == 1, "the cut one was a try"


def test_after_a_cut_everything_is_written_anew(chip: Chip) -> None:
    Slots(chip).mark(1)
    boot = chip.start(Cause.RESET)
    before, writes = chip.flash, chip.writes
    assert chip.place(boot)
    whole = chip.writes - writes
    chip.restore(before)
    chip.power(whole - 1)  # of the last sector's pages one is missing
    assert not chip.place(boot)
    chip.power(None)
    writes = chip.writes
    assert chip.place(boot)
    assert chip.writes - writes == whole, "no sector is trusted because it reads well"


def test_three_cuts_of_the_copy_are_three_tries_and_then_the_old_one_runs(chip: Chip) -> None:
    slots = Slots(chip)
    slots.mark(1)
    for _ in range(3):
        boot = chip.start(Cause.POWER)
        assert boot.slot == 1
        chip.power(9)
        assert not chip.place(boot)
        chip.power(None)
    assert started(chip, Cause.POWER).slot == 0
    assert runs(chip, OLD)
    assert slots.state()[:6] == (0, -1, 0, False, POWER, 1)


def test_where_flash_holds_nothing_any_more_the_image_is_given_up_and_why_is_told(
    chip: Chip,
) -> None:
    longer = image(NEW, 4 * SECTOR)
    chip.put(1, longer)
    slots = Slots(chip)
    slots.mark(1)
    chip.wear(RUN + 3 * SECTOR)
    boot = chip.start(Cause.RESET)
    assert not chip.place(boot)
    slots.give_up(FLASH_WORN)  # as `pico/start.c` does
    assert started(chip, Cause.RESET).slot == 0
    assert runs(chip, OLD)
    assert slots.state()[4:6] == (FLASH_WORN, 1)
    chip.wear(RUN)
    boot = chip.start(Cause.RESET)
    assert chip.place(boot), "nothing has to be written"


def test_an_image_that_lies_elsewhere_or_is_another_boards_is_not_started(chip: Chip) -> None:
    slots = Slots(chip)
    for wrong, fault in (
        (image(NEW, board="mps2"), 4),
        (mcuboot.image(program(NEW), version=NEW, board="pico", load_address=0x10000000), 5),
    ):
        chip.put(1, wrong)
        assert slots.image(1)[0] == fault
        with pytest.raises(OSError, match=r"^2$"):
            slots.mark(1)


def burn(chip: Chip, data: bytes) -> None:
    chip.restore(burnt(chip.flash, data))


@pytest.mark.parametrize("fill", [0xFF, 0x00])
def test_what_a_blank_part_is_flashed_with_is_started(fill: int) -> None:
    chip = Chip(bytes([fill]) * FLASH, "pico")
    burn(chip, for_drive(b"boots", image("0.7.0")))
    boot = started(chip, Cause.POWER)
    assert (boot.slot, boot.guarded) == (0, False)
    assert runs(chip, "0.7.0")
    assert chip.flash[:5] == b"boots"
    assert Slots(chip).state()[:4] == (0, -1, 0, False)


def test_what_a_used_part_is_flashed_with_is_started_whatever_it_had(chip: Chip) -> None:
    slots = Slots(chip)
    slots.mark(1)
    started(chip, Cause.RESET)
    slots.confirm()
    used = bytearray(chip.flash)
    used[SLOTS + SLOT - SECTOR : SLOTS + SLOT] = bytes(SECTOR)
    chip.restore(bytes(used))
    files = MAP["MAP_FILES"]
    before = chip.flash[files:]
    burn(chip, for_drive(b"boots", image("0.7.0")))
    assert started(chip, Cause.WATCHDOG).slot == 0
    assert runs(chip, "0.7.0")
    assert slots.state()[:2] == (0, -1)
    assert slots.read(0, SLOT - SECTOR, SECTOR) == bytes([0xFF]) * SECTOR, "none was uploaded"
    assert chip.flash[files:] == before, "files stay"


def test_only_whole_sectors_are_flashed_and_nothing_that_has_no_room() -> None:
    data = for_drive(b"boots", image("0.7.0"))
    pages: dict[int, int] = {}
    for at in range(0, len(data), uf2.BLOCK):
        sector = int.from_bytes(data[at + 12 : at + 16], "little") // SECTOR
        pages[sector] = pages.get(sector, 0) + 1
    assert set(pages.values()) == {SECTOR // uf2.PAYLOAD}
    assert uf2.examined(data).start == uf2.RP2040_FLASH
    for boot, program_image in ((bytes(40_000), b""), (b"", bytes(SLOT))):
        with pytest.raises(BuildError, match="there is room for"):
            for_drive(boot, program_image)
