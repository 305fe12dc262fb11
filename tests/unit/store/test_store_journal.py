import os
import shutil
from pathlib import Path

import pytest

from edge.store import Store
from edge.store.errors import StoreOpenError
from edge.store.journal import Journal, parse
from edge.wire.manifest import Durability
from tests.support.stores import NEVER, held, journals, killed, payloads, publish

IDENTITY = b"identity"
PACKS = [b"first", b"second", b"third"]


def test_a_journal_cut_at_any_byte_gives_its_whole_frames(tmp_path: Path) -> None:
    data = _journal_bytes(tmp_path)
    ends = [data.index(body) + len(body) for body in PACKS]
    for size in range(len(data) + 1):
        left = parse(data[:size])
        whole = [body for body, end in zip(PACKS, ends, strict=True) if end <= size]
        assert (left is None) == (size < 16)
        if left is not None:
            assert list(left.bodies) == whole
            assert left.torn == size - (ends[len(whole) - 1] if whole else 16)


def test_a_changed_bit_ends_the_journal_before_its_frame(tmp_path: Path) -> None:
    data = _journal_bytes(tmp_path)
    start = data.index(b"second") - 8
    for position in range(start, start + 8 + len(b"second")):
        changed = bytearray(data)
        changed[position] ^= 0x10
        left = parse(bytes(changed))
        assert left is not None
        assert left.bodies == (b"first",)


def test_a_tail_of_zeros_is_no_frame(tmp_path: Path) -> None:
    left = parse(_journal_bytes(tmp_path) + bytes(4096))
    assert left is not None
    assert (list(left.bodies), left.torn) == (PACKS, 4096)


def test_frames_of_an_earlier_generation_are_no_frames(tmp_path: Path) -> None:
    old = _journal_bytes(tmp_path)
    left = parse(old[:8] + (2).to_bytes(8, "big") + old[16:])
    assert left is not None
    assert left.bodies == ()


def test_a_file_that_is_no_journal_is_taken_over(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        publish(store, b"kept")
    for path in journals(tmp_path):
        path.write_bytes(b"garbage of some length")
    with Store.open(tmp_path) as store:
        publish(store, b"new", durability=Durability.RELAXED)
        store.outbox.flush("meter", 10)
        assert payloads(held(store)) == [b"kept", b"new"]


def test_a_power_cut_tears_only_unsynced_relaxed_entries(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", sync_interval=NEVER) as store:
        publish(store, b"relaxed, then synced", durability=Durability.RELAXED)
        publish(store, b"synced")
        for pack in PACKS:
            publish(store, pack, durability=Durability.RELAXED)
        image = killed(tmp_path / "store", tmp_path / "image")
    journal = max(journals(image), key=lambda path: path.stat().st_size)
    data = journal.read_bytes()
    synced = [b"relaxed, then synced", b"synced"]
    for size in range(len(data), data.index(b"first") - 1, -7):
        after_cut = Path(shutil.copytree(image, tmp_path / str(size)))
        os.truncate(after_cut / journal.name, size)
        whole = [pack for pack in PACKS if data.index(pack) + len(pack) <= size]
        for _ in range(2):
            with Store.open(after_cut) as store:
                assert payloads(held(store)) == synced + whole


def test_a_lost_journal_loses_only_unsynced_relaxed_entries(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", sync_interval=NEVER) as store:
        publish(store, b"synced")
        publish(store, b"relaxed", durability=Durability.RELAXED)
        image = killed(tmp_path / "store", tmp_path / "image")
    for path in journals(image):
        path.unlink()
    with Store.open(image) as store:
        assert payloads(held(store)) == [b"synced"]
        assert publish(store, b"next") == 2


def test_cut_bytes_are_counted(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", sync_interval=NEVER) as store:
        publish(store, b"torn", durability=Durability.RELAXED)
        image = killed(tmp_path / "store", tmp_path / "image")
    journal = max(journals(image), key=lambda path: path.stat().st_size)
    os.truncate(journal, journal.stat().st_size - 1)
    with Store.open(image) as store:
        assert store.outbox.stats().torn > 0
        assert held(store) == []


def test_a_moved_journal_that_was_not_emptied_is_not_moved_again(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", sync_interval=NEVER) as store:
        publish(store, b"once", durability=Durability.RELAXED)
        before = killed(tmp_path / "store", tmp_path / "before")
        store.outbox.flush("meter", 10)
        after = killed(tmp_path / "store", tmp_path / "after")
    for path in journals(before):
        shutil.copy(path, after)
    with Store.open(after) as store:
        assert payloads(held(store)) == [b"once"]


def test_both_files_left_by_a_crash_are_moved_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path, IDENTITY, 0)
    journal.append(b"older")
    journal.seal()
    journal.append(b"newer")
    journal.close()
    left = Journal(tmp_path, IDENTITY, 0)
    assert [item.bodies for item in left.seal()] == [(b"older",), (b"newer",)]
    left.release()
    assert left.append(b"next")
    assert [item.generation for item in left.seal()] == [3]
    left.close()


def test_what_could_not_be_moved_is_sealed_again_with_what_came_since(tmp_path: Path) -> None:
    journal = Journal(tmp_path, IDENTITY, 0)
    journal.append(b"older")
    journal.seal()
    journal.stick()
    journal.append(b"newer")
    assert [item.bodies for item in journal.seal()] == [(b"older",), (b"newer",)]
    journal.release()
    assert journal.empty
    journal.close()


def test_a_runtime_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreOpenError, match=r"file/run: Not a directory; the journals"):
        Store.open(tmp_path / "store", runtime=tmp_path / "file" / "run")
    Store.open(tmp_path / "store").close()


def _journal_bytes(directory: Path) -> bytes:
    journal = Journal(directory, IDENTITY, 0)
    for body in PACKS:
        journal.append(body)
    journal.close()
    return max(path.read_bytes() for path in journals(directory))
