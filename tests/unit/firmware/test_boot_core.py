"""The bootloader's core, as it is on the microcontroller: which slot, after whatever happened.

Every cut of every write that changes the bootloader's state is made here.
"""

import ctypes
import hashlib
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boards import mcuboot
from hal.link.image import ImageError, parse
from tests.support.boot_core import (
    FLASH,
    NOBODY,
    SECTOR,
    SLOTS_AT,
    Boot,
    Cause,
    Chip,
    Image,
    Slots,
    library,
)

TRIES = 3
HUNG, CRASHED, RESET, POWER, CORRUPT, LINK = range(1, 7)
"""Of `state.h`."""


def image(version: str, board: str = "mps2", load: int = 0x10000, size: int = 600) -> bytes:
    program = struct.pack("<II", 0x20001000, load + 9) + bytes(size - 8)
    return mcuboot.image(program, version=version, board=board, load_address=load)


OLD, NEW = image("0.1.0"), image("0.2.0")


@pytest.fixture
def chip() -> Chip:
    """One that runs 0.1.0 in slot 0, with 0.2.0 in slot 1."""
    made = Chip()
    made.put(0, OLD)
    made.put(1, NEW)
    return made


def marked(chip: Chip) -> Slots:
    slots = Slots(chip)
    slots.mark(1)
    return slots


def decided(boot: Boot) -> tuple[int, bool]:
    return boot.slot, boot.guarded


def test_the_confirmed_image_is_started_and_nothing_is_written(chip: Chip):
    before, writes = chip.flash, chip.writes
    for cause in Cause:
        assert decided(chip.start(cause)) == (0, False)
    assert (chip.flash, chip.writes) == (before, writes)


def test_a_marked_image_is_tried_and_stays_when_it_is_confirmed(chip: Chip):
    slots = marked(chip)
    assert slots.state()[:4] == (0, 1, 0, False), "nothing changes before the next start"
    assert decided(chip.start(Cause.RESET)) == (1, True)
    assert slots.state()[:4] == (0, 1, 1, True)
    slots.confirm()
    assert slots.state()[:4] == (1, -1, 1, False)
    for cause in Cause:
        assert decided(chip.start(cause)) == (1, False)
    assert chip.state().rollbacks == 0


@pytest.mark.parametrize(
    ("cause", "why"),
    [
        (Cause.WATCHDOG, HUNG),
        (Cause.FAULT, CRASHED),
        (Cause.RESET, RESET),
        (Cause.POWER, POWER),
    ],
)
def test_an_image_that_is_not_confirmed_is_rolled_back_and_why_is_kept(
    chip: Chip, cause: Cause, why: int
):
    slots = marked(chip)
    assert [chip.start(cause).slot for _ in range(TRIES + 2)] == [1] * TRIES + [0, 0]
    assert slots.state() == (0, -1, 0, False, why, 1, "0.2.0", parse(NEW).digest)


def test_a_try_is_counted_before_it_is_made(chip: Chip):
    marked(chip)
    for left in (2, 1, 0):
        chip.start(Cause.POWER)
        assert chip.state().tries == left
    chip = Chip(chip.flash)
    assert chip.start().slot == 0


def test_an_image_that_gives_up_gets_no_other_try(chip: Chip):
    slots = marked(chip)
    assert chip.start(Cause.RESET).slot == 1
    slots.give_up(LINK)
    assert chip.start(Cause.RESET).slot == 0
    assert slots.state()[4:6] == (LINK, 1)


def test_an_image_that_decays_while_it_waits_is_not_tried(chip: Chip):
    slots = marked(chip)
    flash = bytearray(chip.flash)
    flash[SLOTS_AT + (1 << 20) + 100] ^= 1
    chip.restore(bytes(flash))
    assert decided(chip.start(Cause.RESET)) == (0, False)
    assert slots.state()[4:6] == (CORRUPT, 1)


def test_when_the_confirmed_image_decays_the_other_is_started_and_watched(chip: Chip):
    flash = bytearray(chip.flash)
    flash[SLOTS_AT + 100] ^= 1
    chip.restore(bytes(flash))
    assert decided(chip.start()) == (1, True)
    assert Slots(chip).state()[:7] == (1, -1, 1, False, CORRUPT, 1, "0.1.0")
    assert chip.start().slot == 1


def test_without_any_image_the_one_that_a_programmer_brought_is_installed():
    chip = Chip()
    assert chip.start().slot == -1
    boot = chip.start(first=OLD)
    assert (boot.slot, boot.installed) == (0, True)
    boot = chip.start(first=OLD)
    assert (boot.slot, boot.installed) == (0, False)
    chip.put(0, NEW)
    assert not chip.start(first=OLD).installed, "an update is not undone"


def test_an_install_that_is_cut_is_done_again():
    chip = Chip()
    chip.start(first=OLD)
    count = chip.writes
    chip = Chip()
    chip.start(first=OLD)
    count = chip.writes - count
    for cut in range(1, count + 1, 7):
        chip = Chip()
        chip.power(cut, 5)
        chip.start(first=OLD)
        chip.power(None)
        assert chip.start(first=OLD).slot == 0


def test_what_this_machine_cannot_start_is_not_started(chip: Chip):
    for wrong, fault in (
        (image("0.2.0", board="pico"), 4),
        (image("0.2.0", load=0x20000), 5),
        (NEW[:-1] + bytes([NEW[-1] ^ 1]), 3),
        (NEW[:100], 2),
        (b"", 1),
    ):
        chip.put(1, wrong)
        slots = Slots(chip)
        assert slots.image(1)[0] == fault
        with pytest.raises(OSError, match=r"^2$"):
            slots.mark(1)
    for stack, entry in ((0, 0x10009), (0x20001000, 0x10008), (0x20001000, 0x9), (0x3, 0x3)):
        program = struct.pack("<II", stack, entry) + bytes(600)
        data = mcuboot.image(program, version="0.2.0", board="mps2", load_address=0x10000)
        chip.put(1, data)
        assert Slots(chip).image(1)[0] == 5


def test_of_the_image_that_runs_the_digest_is_not_looked_at_again(chip: Chip):
    """The bootloader did; of what is in the other slot it is, each time."""
    slots = Slots(chip)
    assert slots.image(0) == (0, "0.1.0", parse(OLD).digest)
    flash = bytearray(chip.flash)
    for slot in (0, 1):
        flash[SLOTS_AT + (slot << 20) + 100] ^= 1
    chip.restore(bytes(flash))
    assert slots.image(0) == (0, "0.1.0", parse(OLD).digest)
    assert slots.image(1)[0] == 3
    assert chip.start().slot == -1


def test_what_is_in_use_cannot_be_written(chip: Chip):
    slots = Slots(chip)
    busy, outside = r"^16$", r"^22$"
    with pytest.raises(OSError, match=busy):
        slots.erase(0, 0)
    with pytest.raises(OSError, match=busy):
        slots.program(0, 0, b"x")
    for offset in (1, 1 << 20, (1 << 20) - 1):
        with pytest.raises(OSError, match=outside):
            slots.erase(1, offset)
    with pytest.raises(OSError, match=outside):
        slots.program(1, (1 << 20) - 1, b"xy")
    with pytest.raises(OSError, match=outside):
        slots.erase(2, 0)
    slots.mark(1)
    with pytest.raises(OSError, match=busy):
        slots.erase(1, 0)
    chip.start(Cause.RESET)
    for slot in (0, 1):
        with pytest.raises(OSError, match=busy):
            slots.erase(slot, 0)
    with pytest.raises(OSError, match=busy):
        slots.mark(0)


def test_flash_is_erased_before_it_is_written(chip: Chip):
    slots = Slots(chip)
    slots.erase(1, 0)
    slots.program(1, 0, b"\x0f\xf0")
    slots.program(1, 0, b"\x0f\x00")
    with pytest.raises(OSError, match=r"^5$"):
        slots.program(1, 0, b"\x1f")
    assert slots.read(1, 0, 3) == b"\x0f\x00\xff"


def cuts(chip: Chip, does: Callable[[], object], check: Callable[[], None]) -> int:
    """Cut the power in each write of `does`, after no byte, some, and all; how many cuts there were."""
    before, writes, started = chip.flash, chip.writes, chip.started
    does()
    count, made = chip.writes - writes, 0
    for write in range(1, count + 1):
        for torn in (0, 1, 4, 8, 60, 100, 4095, SECTOR):
            chip.restore(before)
            chip.started = started
            chip.power(write, torn)
            with suppress(OSError):  # of a program that nobody hears any more
                does()
            chip.power(None)
            check()
            made += 1
    chip.restore(before)
    chip.started = started
    does()
    return made


@pytest.mark.parametrize("flash", [bytes(FLASH), bytes([0xFF]) * FLASH], ids=["zeros", "ones"])
def test_a_power_cut_in_any_write_of_the_state_leaves_the_old_or_the_new(flash: bytes):
    chip = Chip(flash)
    chip.put(0, OLD)
    chip.put(1, NEW)
    slots = Slots(chip)
    made = 0

    def leaves(*allowed: tuple[int, int, int, int]) -> Callable[[], None]:
        def check() -> None:
            state = chip.state()
            found = state.active, state.pending, state.tries, state.rollbacks
            assert found in allowed, (found, allowed)
            flash = chip.flash
            assert chip.start().slot in (0, 1)
            chip.restore(flash)

        return check

    none, waits = (0, NOBODY, 0, 0), (0, 1, 3, 0)
    made += cuts(chip, lambda: slots.mark(1), leaves(none, waits))
    for tries in (2, 1, 0):
        before = (0, 1, tries + 1, 0)
        made += cuts(chip, lambda: chip.start(Cause.WATCHDOG), leaves(before, (0, 1, tries, 0)))
    tried = (0, 1, 0, 0)
    flash_on_trial = chip.flash
    made += cuts(chip, slots.confirm, leaves(tried, (1, NOBODY, 0, 0)))
    assert chip.start().slot == 1
    chip.restore(flash_on_trial)
    chip.started = 1
    made += cuts(chip, lambda: slots.give_up(LINK), leaves(tried))
    made += cuts(chip, lambda: chip.start(Cause.RESET), leaves(tried, (0, NOBODY, 0, 1)))
    assert chip.start().slot == 0
    assert made == 7 * 4 * 8, "each change: two copies, erased and written, eight cuts in each"


def test_a_try_that_cannot_be_counted_is_not_made(chip: Chip):
    marked(chip)
    chip.start(Cause.RESET)
    chip.power(1)
    assert decided(chip.start(Cause.WATCHDOG))[0] == 0
    chip.power(None)
    assert chip.state().tries == TRIES - 1
    assert Slots(chip).state()[2:4] == (0, False)
    with pytest.raises(OSError, match=r"^16$"):
        Slots(chip).confirm()


@given(
    st.lists(
        st.tuples(st.sampled_from(["start", "mark", "confirm", "give_up", "cut"]), st.integers(0)),
        max_size=30,
    )
)
@settings(max_examples=60, deadline=None)
def test_whatever_happens_one_of_two_good_images_is_started(happens):
    chip = Chip()
    chip.put(0, OLD)
    chip.put(1, NEW)
    slots = Slots(chip)
    causes = list(Cause)
    tries = 0
    for what, number in happens:
        active, _, running, trial = slots.state()[:4]
        if what == "start":
            boot = chip.start(causes[number % 4])
            assert boot.slot == slots.state()[2]
            tries = tries + 1 if slots.state()[3] else 0
            assert tries <= TRIES
        elif what == "cut":
            chip.power(1 + number % 4, number % 90)
            chip.start(Cause.POWER)
            chip.power(None)
            tries = 0
        elif what == "mark" and not trial:
            state = chip.state()
            if state.pending != NOBODY and state.tries < TRIES:
                # A try could not be counted, so the other runs; it goes on at the next start.
                with pytest.raises(OSError, match=r"^16$"):
                    slots.mark(1 - active)
                continue
            slots.mark(1 - active)
            tries = 0
        elif what == "confirm" and trial:
            slots.confirm()
            assert slots.state()[0] == running
        elif what == "give_up" and trial:
            slots.give_up(LINK)
            assert chip.start(Cause.RESET).slot == active
    assert chip.start().slot in (0, 1)


@given(flash=st.binary(max_size=200), at=st.sampled_from([0, SECTOR]))
def test_noise_where_the_state_was_is_no_state(flash, at):
    chip = Chip()
    chip.put(0, OLD)
    whole = bytearray(chip.flash)
    whole[at : at + len(flash)] = flash
    chip.restore(bytes(whole))
    assert chip.start().slot == 0


@given(st.binary(max_size=300))
def test_digests_are_those_of_everybody_else(data):
    core = library()
    made = ctypes.create_string_buffer(32)
    core.sha256_of(data, len(data), made)
    assert made.raw == hashlib.sha256(data).digest()
    core.crc32_of.restype = ctypes.c_uint32
    assert core.crc32_of(data, len(data)) == zlib.crc32(data)


@given(at=st.integers(0), change=st.integers(0, 255), cut=st.integers(0, 400))
@settings(max_examples=300)
def test_it_reads_images_as_the_node_does(at, change, cut):
    """What one of the two refuses, the other refuses."""
    data = bytearray(image("1.2.3", size=64))
    data[at % len(data)] ^= change
    data = data[: len(data) - cut] if cut < 40 else data
    found = Image()
    fault = library().image_read(bytes(data), len(data), ctypes.byref(found))
    try:
        read = parse(bytes(data))
    except ImageError:
        assert fault != 0
    else:
        assert fault == 0
        assert bytes(found.digest) == read.digest
        assert (str(found.version), found.board.decode()) == (str(read.version), read.board)
        assert data[found.begin : found.begin + found.size] == read.program
