import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.store import Store
from edge.store.environment import Environment
from edge.store.errors import StoreFullError
from edge.store.layout import open_tables
from edge.store.store import MAP_BASE, MAP_FACTOR
from edge.store.writer import Writer
from edge.wire.limits import PACK_LIMIT
from edge.wire.manifest import Durability, OnFull
from tests.support.stores import NEVER, held, payloads, publish

RELAXED = Durability.RELAXED


class NoRider:
    """Nothing goes along with a commit."""

    def board(self, txn: object) -> None: ...

    def landed(self, *, on_disk: bool) -> None: ...


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)]
    if shutil.which("mount") is None or subprocess.call(mount, stderr=subprocess.DEVNULL):
        pytest.skip("mounting a small tmpfs needs root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_ten_times_the_map_flows_through_a_store_that_is_trimmed(tmp_path: Path) -> None:
    limit = 256 << 10
    # The map of such a small outbox is mostly MAP_BASE: watch the file instead of waiting for it.
    with Store.open(tmp_path, outbox_limit=limit) as store:
        for _ in range(10 * MAP_FACTOR * limit // PACK_LIMIT):
            publish(store, bytes(PACK_LIMIT))
            store.outbox.trim(store.outbox.epoch, store.outbox.last_seq - 1)
    assert (tmp_path / "data.mdb").stat().st_size < MAP_FACTOR * limit


def test_an_outbox_that_overflows_for_long_stays_within_its_map(tmp_path: Path) -> None:
    limit = 256 << 10
    with Store.open(tmp_path, outbox_limit=limit, sync_interval=NEVER) as store:
        for index in range(6000):
            publish(store, bytes(index % 5000), durability=RELAXED)
        assert store.outbox.stats().bytes <= limit // 2
    assert (tmp_path / "data.mdb").stat().st_size < MAP_BASE + MAP_FACTOR * limit


@pytest.mark.parametrize(("size", "count"), [(10, 40), (1000, 40), (3400, 20), (20_000, 4)])
def test_a_full_map_refuses_additions_and_still_deletes(
    tmp_path: Path, size: int, count: int
) -> None:
    env = Environment.open(tmp_path, 1 << 20)
    with env.write() as txn:
        table = open_tables(env.lmdb, txn).outbox
    writer = Writer(env, NoRider())
    keys: list[bytes] = []

    def add() -> None:
        batch = [(len(keys) + index).to_bytes(8, "big") for index in range(count)]
        writer.call(lambda txn: [txn.put(key, bytes(size), db=table) for key in batch])
        keys.extend(batch)

    for _ in range(3):
        with pytest.raises(StoreFullError, match="map is full"):
            _repeat(add)
        while keys:
            batch = [keys.pop(0) for _ in range(count)]
            deleted = writer.call(
                lambda txn, batch=batch: [txn.delete(key, db=table) for key in batch], deletes=True
            )
            assert all(deleted)
        add()
    writer.close()
    env.close()


def test_an_operation_too_large_for_the_map_fails_alone(tmp_path: Path) -> None:
    env = Environment.open(tmp_path, 1 << 20)
    with env.write() as txn:
        table = open_tables(env.lmdb, txn).kv
    writer = Writer(env, NoRider())
    calls = [
        writer.submit(lambda txn, n=n: txn.put(b"%d" % n, bytes(n), db=table))
        for n in (10, 2 << 20, 20)
    ]
    assert calls[0].wait()
    with pytest.raises(StoreFullError):
        calls[1].wait()
    assert calls[2].wait()
    writer.close()
    env.close()


def test_a_full_disk_refuses_and_recovers_when_room_comes_back(small_disk: Path) -> None:
    with Store.open(small_disk / "store") as store:
        publish(store, b"before")
        hog = small_disk / "hog"
        _fill(hog)
        with pytest.raises(StoreFullError, match="no space left"):
            _repeat(lambda: publish(store, bytes(PACK_LIMIT)))
        count = len(held(store))
        hog.unlink()
        publish(store, b"after")
        assert payloads(held(store))[0] == b"before"
        assert payloads(held(store))[-1] == b"after"
        assert len(held(store)) == count + 1


def test_relaxed_entries_wait_in_the_journal_while_the_disk_is_full(
    small_disk: Path, tmp_path: Path
) -> None:
    packs = [index.to_bytes(4, "big") + bytes(PACK_LIMIT - 4) for index in range(100)]
    accepted: list[bytes] = []

    def publish_relaxed() -> None:
        pack = packs[len(accepted)]
        publish(store, pack, durability=RELAXED)
        accepted.append(pack)

    with Store.open(small_disk / "store", runtime=tmp_path / "run", sync_interval=NEVER) as store:
        publish(store, b"synced")
        _fill(small_disk / "hog")
        with pytest.raises(StoreFullError, match="the journal is full and cannot be moved"):
            _repeat(publish_relaxed)
        with pytest.raises(StoreFullError):
            store.outbox.flush("meter", 10)
        with pytest.raises(StoreFullError):
            publish(store, b"may not overtake")
        (small_disk / "hog").unlink()
        small_disk_grows = ["mount", "-o", "remount,size=16m", str(small_disk)]
        subprocess.run(small_disk_grows, check=True)
        store.outbox.flush("meter", 10)
        assert payloads(held(store)) == [b"synced", *accepted]


def test_an_agent_starts_on_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with Store.open(small_disk / "store", runtime=run, sync_interval=NEVER) as store:
        publish(store, b"synced")
        publish(store, bytes(PACK_LIMIT), durability=RELAXED)
        image = Path(shutil.copytree(run, tmp_path / "image"))
    store_image = small_disk / "store"
    _fill(small_disk / "hog")
    with Store.open(store_image, runtime=image) as store:
        assert payloads(held(store))[0] == b"synced"


def test_a_full_journal_disk_refuses_and_keeps_what_it_took(
    small_disk: Path, tmp_path: Path
) -> None:
    with Store.open(tmp_path / "store", runtime=small_disk, sync_interval=NEVER) as store:
        publish(store, b"first", durability=RELAXED)
        _fill(small_disk / "hog")
        with pytest.raises(StoreFullError, match="no space left for the journal"):
            _repeat(lambda: publish(store, bytes(5000), durability=RELAXED))
        taken = store.outbox
        taken.flush("meter", 10)
        assert payloads(held(store))[0] == b"first"
        (small_disk / "hog").unlink()
        publish(store, b"last", durability=RELAXED)
        taken.flush("meter", 10)
        assert payloads(held(store))[-1] == b"last"


def test_a_refused_call_of_a_full_disk_gives_its_promise_back(small_disk: Path) -> None:
    with Store.open(small_disk / "store", outbox_limit=400 << 10) as store:
        publish(store, b"before")
        hog = small_disk / "hog"
        _fill(hog)
        for _ in range(10):
            with pytest.raises(StoreFullError, match="no space left"):
                publish(store, bytes(60_000), on_full=OnFull.REFUSE)
        hog.unlink()
        for _ in range(3):
            publish(store, bytes(60_000), on_full=OnFull.REFUSE)


def _repeat(action: Callable[[], object]) -> None:
    """Until it raises."""
    while True:
        action()


def _fill(path: Path) -> None:
    """Take all but a few pages of the file system."""
    with path.open("wb") as hog:
        left = os.statvfs(path.parent)
        hog.write(bytes(max(left.f_bavail - 4, 0) * left.f_frsize))
