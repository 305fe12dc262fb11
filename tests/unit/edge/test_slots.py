"""Trial boots: the state, its copies on the disk, and the initramfs's own reading of both."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import slots
from edge.slots import Slot, Slots

SCRIPT = Path(__file__).parents[3] / "boards/image/files/slots"
STATES = st.builds(
    Slots,
    seq=st.integers(0, 1 << 40),
    good=st.sampled_from(Slot),
    trial=st.none() | st.sampled_from(Slot),
    tries=st.integers(0, slots.TRIES_LIMIT),
    failed=st.none() | st.sampled_from(Slot),
)


def disk_with(path: Path, *copies: bytes) -> Path:
    with path.open("wb") as disk:
        disk.truncate(1 << 20)
        for place, copy in zip(slots.PLACES, copies, strict=False):
            disk.seek(place)
            disk.write(copy)
    return path


def copies_of(disk: Path) -> list[bytes]:
    data = disk.read_bytes()
    return [data[place : place + slots.SECTOR] for place in slots.PLACES]


def initramfs_boots(disk: Path) -> str:
    """Slot and trial, as the initramfs decides."""
    script = f'set -f; disk={disk}; . {SCRIPT}; choose_slot >&2; echo "$slot $trial"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_new_card_starts_slot_a_and_writes_nothing(tmp_path):
    disk = disk_with(tmp_path / "disk")
    assert initramfs_boots(disk) == "A"
    assert not any(disk.read_bytes())


def test_a_trial_that_never_confirms_ends_at_the_old_system(tmp_path):
    trial = slots.begin_trial(Slots(), Slot.B, tries=2)
    disk = disk_with(tmp_path / "disk", slots.encode(trial))
    assert [initramfs_boots(disk) for _ in range(4)] == ["B trial", "B trial", "A", "A"]
    state, _ = slots.newest(copies_of(disk))
    assert (state.good, state.trial, state.failed) == (Slot.A, None, Slot.B)


def test_a_confirmed_trial_stays(tmp_path):
    trial = slots.begin_trial(Slots(), Slot.B)
    disk = disk_with(tmp_path / "disk", slots.encode(trial))
    assert initramfs_boots(disk) == "B trial"
    tried, _ = slots.newest(copies_of(disk))
    good = slots.confirm(tried, Slot.B)
    assert initramfs_boots(disk_with(disk, slots.encode(good))) == "B"
    assert good.seq > tried.seq


def test_a_running_system_that_is_not_on_trial_confirms_nothing():
    trial = slots.begin_trial(Slots(), Slot.B)
    assert slots.confirm(trial, Slot.A) is trial


def test_the_good_slot_is_not_put_on_trial():
    with pytest.raises(ValueError, match="slot A is the good one"):
        slots.begin_trial(Slots(), Slot.A)
    with pytest.raises(ValueError, match="tries: 10"):
        slots.begin_trial(Slots(), Slot.B, tries=10)


def test_a_disk_that_cannot_be_written_is_never_on_trial(tmp_path):
    disk = disk_with(tmp_path / "disk", slots.encode(slots.begin_trial(Slots(), Slot.B)))
    script = f"disk={disk}; . {SCRIPT}; write_copy() {{ return 1; }}; choose_slot >&2; echo $slot"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "A"


@settings(deadline=None)
@given(STATES)
def test_a_copy_gives_its_state_back(state):
    sector = slots.encode(state)
    assert len(sector) == slots.SECTOR
    assert slots.decode(sector) == state


@settings(deadline=None)
@given(st.binary(max_size=slots.SECTOR))
def test_anything_else_is_no_copy(data):
    assert slots.decode(data) is None


@settings(deadline=None)
@given(STATES, STATES, st.integers(0, slots.SECTOR))
def test_a_write_torn_anywhere_leaves_the_old_state_or_the_new(before, older, torn):
    older = Slots(before.seq - 1, older.good, older.trial, older.tries, older.failed)
    copies = [slots.encode(before), slots.encode(older)]
    after, place = Slots(before.seq + 1, Slot.B), slots.newest(copies)[1]
    copies[place] = slots.encode(after)[:torn] + copies[place][torn:]
    assert slots.newest(copies)[0] in (before, after)


@settings(max_examples=15, deadline=None)
@given(STATES, STATES)
def test_the_initramfs_decides_as_this_module_does(tmp_path_factory, one, two):
    two = Slots(one.seq + 1, two.good, two.trial, two.tries, two.failed)
    disk = disk_with(
        tmp_path_factory.mktemp("slots") / "disk", slots.encode(two), slots.encode(one)
    )
    after, slot = slots.boot(two)
    trial = " trial" if two.trial is not None and two.tries else ""
    assert initramfs_boots(disk) == f"{slot.value}{trial}"
    assert slots.newest(copies_of(disk))[0] == after
