"""The database: shared commits, writes that fail alone, snapshots, what is refused at opening."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from cloud.errors import NewerDatabase, NoRoom, StoreClosed, UnsupportedDatabase
from cloud.store.database import QUEUE_LIMIT, Database

pytestmark = pytest.mark.anyio


def insert(number: int):
    def work(connection: Connection) -> int:
        connection.execute(text("INSERT INTO object_floor VALUES (:n, 0)"), {"n": number})
        return number

    return work


def numbers(connection: Connection) -> set[int]:
    return {row[0] for row in connection.execute(text("SELECT id FROM object_floor WHERE id > 1"))}


def fails_after_insert(connection: Connection) -> None:
    insert(77)(connection)
    raise ValueError("no")


async def test_a_write_that_fails_leaves_no_trace_and_its_neighbours_unharmed(tmp_path: Path):
    database = await Database.open(tmp_path / "a.db")
    results = await asyncio.gather(
        database.write(insert(2)),
        database.write(fails_after_insert),
        database.write(insert(3)),
        database.write(insert(2)),
        database.write(insert(4)),
        return_exceptions=True,
    )
    assert [type(result).__name__ for result in results] == [
        "int",
        "ValueError",
        "int",
        "IntegrityError",
        "int",
    ]
    assert await database.read(numbers) == {2, 3, 4}
    await database.close()


async def test_writes_that_wait_share_one_commit(tmp_path: Path):
    database = await Database.open(tmp_path / "a.db")
    entered, release = threading.Event(), threading.Event()
    commits: list[int] = []

    def hold(connection: Connection) -> None:
        entered.set()
        release.wait()
        connection.connection.driver_connection.set_trace_callback(
            lambda sql: commits.append(1) if sql == "COMMIT" else None
        )

    first = asyncio.ensure_future(database.write(hold))
    await asyncio.to_thread(entered.wait)
    others = [asyncio.ensure_future(database.write(insert(n))) for n in range(2, 52)]
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(first, *others)
    assert len(commits) == 2, "one for the first, one for all that waited meanwhile"
    await database.close()


async def test_then_is_called_after_the_commit_in_order_even_when_the_caller_is_gone(
    tmp_path: Path,
):
    database = await Database.open(tmp_path / "a.db")
    seen: list[int] = []
    writes = [asyncio.ensure_future(database.write(insert(n), seen.append)) for n in range(2, 12)]
    await asyncio.sleep(0)
    writes[0].cancel()
    await asyncio.gather(*writes, return_exceptions=True)
    await database.write(lambda _: None)
    assert seen == list(range(2, 12))
    await database.close()


async def test_a_read_sees_one_snapshot_while_others_write(tmp_path: Path):
    database = await Database.open(tmp_path / "a.db")
    begun, written = threading.Event(), threading.Event()

    def look_twice(connection: Connection) -> tuple[set[int], set[int]]:
        before = numbers(connection)
        begun.set()
        written.wait()
        return before, numbers(connection)

    reading = asyncio.ensure_future(database.read(look_twice))
    await asyncio.to_thread(begun.wait)
    await database.write(insert(2))
    written.set()
    assert await reading == (set(), set())
    assert await database.read(numbers) == {2}
    await database.close()


async def test_a_reader_cannot_write(tmp_path: Path):
    database = await Database.open(tmp_path / "a.db")
    with pytest.raises(Exception, match="readonly"):
        await database.read(insert(2))
    await database.close()


async def test_more_writes_than_the_queue_holds_all_arrive(tmp_path: Path):
    database = await Database.open(tmp_path / "a.db")
    count = QUEUE_LIMIT + 200
    await asyncio.gather(*(database.write(insert(n)) for n in range(2, 2 + count)))
    assert len(await database.read(numbers)) == count
    await database.close()


async def test_closing_finishes_what_waits_and_refuses_the_rest(tmp_path: Path):
    database = await Database.open(tmp_path / "a.db")
    write = asyncio.ensure_future(database.write(insert(2)))
    await asyncio.sleep(0)
    await database.close()
    assert await write == 2
    with pytest.raises(StoreClosed):
        await database.write(insert(3))
    with pytest.raises(StoreClosed):
        await database.read(numbers)
    await database.close()


async def test_what_was_written_is_there_when_opened_again(tmp_path: Path):
    for number in (2, 3):
        database = await Database.open(f"sqlite:///{tmp_path}/a%20b.db")
        await database.write(insert(number))
        await database.close()
    database = await Database.open(tmp_path / "a%20b.db")
    assert await database.read(numbers) == {2, 3}
    await database.close()


async def test_durability_is_full_and_the_journal_a_log(tmp_path: Path):
    database = await Database.open(tmp_path / "a.db")

    def pragmas(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in names]

    assert await database.read(pragmas) == ["wal", 2, 1]
    assert await database.write(pragmas) == ["wal", 2, 1]
    await database.close()


async def test_a_database_of_a_newer_skerry_is_refused_and_untouched(tmp_path: Path):
    database = await Database.open(tmp_path / "a.db")
    await database.close()
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(NewerDatabase, match=r"9999.*newer Skerry"):
        await Database.open(tmp_path / "a.db")


@pytest.mark.parametrize("url", ["postgresql://localhost/a", "nonsense://", "://"])
async def test_another_database_is_refused_by_name(url: str):
    with pytest.raises(UnsupportedDatabase):
        await Database.open(url)


async def test_a_full_disk_is_said_plainly_and_what_waited_can_be_tried_again(tmp_path: Path):
    database = await Database.open(tmp_path / "a.db")

    def allow(pages: int):
        return lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    def fill(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE filling (data BLOB)")
        connection.exec_driver_sql("INSERT INTO filling VALUES (zeroblob(4000000))")

    await database.write(allow(1))  # SQLite takes it as: no more than there are
    results = await asyncio.gather(
        *(database.write(fill) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(result, NoRoom) for result in results)
    assert "disk is full" in str(results[0])
    assert await database.read(numbers) == set()
    await database.write(allow(1 << 30))
    await database.write(fill)
    await database.close()
