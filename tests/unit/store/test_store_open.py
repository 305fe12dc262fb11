import os
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from edge.store import Store
from edge.store.entry import StoredEntry
from edge.store.environment import Environment
from edge.store.errors import StoreBusyError, StoreCorruptError, StoreOpenError, StoreVersionError
from edge.store.layout import SCHEMA, TABLE_NAMES, U64, Tables, Transaction, open_tables
from edge.store.migrations import MIGRATIONS, migrate
from edge.wire.messages import EntryKind
from tests.support.stores import held, payloads, publish

MAP = 16 << 20


def test_a_new_store_is_empty_and_has_an_epoch(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a") as store, Store.open(tmp_path / "b") as other:
        assert store.outbox.last_seq == 0
        assert store.desired.revision == 0
        assert 0 < store.outbox.epoch < 1 << 62
        assert store.outbox.epoch != other.outbox.epoch


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        publish(store, b"one")
        store.kv.set("meter", "offset", b"3", 100)
        store.reported.put("app", "meter", b"held")
        store.meta.set("time-floor", b"1700000000")
        epoch = store.outbox.epoch
    with Store.open(tmp_path) as store:
        assert payloads(held(store)) == [b"one"]
        assert store.kv.get("meter", "offset") == b"3"
        assert store.reported.items() == {("app", "meter"): b"held"}
        assert store.meta.get("time-floor") == b"1700000000"
        assert store.outbox.epoch == epoch


def test_close_may_be_called_twice(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.close()
    store.close()


def test_a_second_process_is_told_who_has_the_store(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from edge.store import Store\n"
        "store = Store.open(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"open\n"
        with pytest.raises(StoreBusyError, match=rf"store.lock: process {owner.pid} has"):
            Store.open(tmp_path)
        owner.kill()
    Store.open(tmp_path).close()


def test_a_file_that_is_no_store_is_named_and_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data.mdb"
    data.write_bytes(b"not a store" * 1000)
    with pytest.raises(StoreCorruptError, match=r"data\.mdb: not a readable store.*move it away"):
        Store.open(tmp_path)
    assert data.read_bytes() == b"not a store" * 1000


def test_an_emptied_file_does_not_pass_for_a_new_store(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        publish(store)
    os.truncate(tmp_path / "data.mdb", 0)
    with pytest.raises(StoreCorruptError, match="the file is empty"):
        Store.open(tmp_path)


def test_a_cut_file_is_refused_before_a_missing_page_is_touched(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        for _ in range(50):
            publish(store, bytes(5000))
    data = tmp_path / "data.mdb"
    os.truncate(data, data.stat().st_size // 2)
    with pytest.raises(StoreCorruptError, match="bytes are left"):
        Store.open(tmp_path)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreOpenError, match=r"file/store: Not a directory; the agent needs"):
        Store.open(tmp_path / "file" / "store")


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    _change_schema(tmp_path, 7)
    with pytest.raises(StoreVersionError, match="layout 7, this agent knows up to 1"):
        Store.open(tmp_path)
    _change_schema(tmp_path, 1)
    Store.open(tmp_path).close()


def test_an_unversioned_store_keeps_its_entries_and_gets_books(tmp_path: Path) -> None:
    entry = StoredEntry(EntryKind.SENML, True, "meter", "power", 5, 2, b"old")
    _write_version_0(tmp_path, {3: entry, 9: entry})
    with Store.open(tmp_path) as store:
        assert [item.seq for item in held(store)] == [3, 9]
        assert store.outbox.stats().apps == {"meter": 2 * entry.charge}
        assert publish(store) == 10


def test_an_interrupted_migration_changes_nothing(tmp_path: Path) -> None:
    entry = StoredEntry(EntryKind.SENML, False, "meter", "power", 5, 2, b"old")
    _write_version_0(tmp_path, {1: entry})

    def break_off(txn: Transaction, tables: Tables) -> None:
        txn.drop(tables.outbox, delete=False)
        raise InterruptedError

    env = Environment.open(tmp_path, MAP)
    with pytest.raises(InterruptedError), env.write() as txn:
        migrate(txn, open_tables(env.lmdb, txn), [*MIGRATIONS, break_off])
    env.close()
    with Store.open(tmp_path) as store:
        assert payloads(held(store)) == [b"old"]


def test_each_missing_migration_runs_once_and_in_order(tmp_path: Path) -> None:
    ran: list[str] = []
    steps = [
        *MIGRATIONS,
        lambda _txn, _tables: ran.append("to 2"),
        lambda _txn, _tables: ran.append("to 3"),
    ]
    env = Environment.open(tmp_path, MAP)
    for _ in range(2):
        with env.write() as txn:
            migrate(txn, open_tables(env.lmdb, txn), steps)
    env.close()
    assert ran == ["to 2", "to 3"]


def _change_schema(directory: Path, version: int) -> None:
    env = lmdb.Environment(str(directory), max_dbs=len(TABLE_NAMES))
    with env.begin(write=True) as txn:
        txn.put(SCHEMA, U64.pack(version), db=env.open_db(b"meta", txn=txn))
    env.close()


def _write_version_0(directory: Path, entries: dict[int, StoredEntry]) -> None:
    """A store from before versions: entries and nothing else."""
    env = lmdb.Environment(str(directory), max_dbs=1)
    with env.begin(write=True) as txn:
        outbox = env.open_db(b"outbox", txn=txn)
        for seq, entry in entries.items():
            txn.put(U64.pack(seq), entry.encode(), db=outbox)
    env.close()
