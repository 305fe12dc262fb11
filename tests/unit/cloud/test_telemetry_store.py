"""Readings are stored exactly once, whatever is sent again, broken, or cut short."""

import asyncio
import random
import subprocess
import sys
from pathlib import Path

import pytest

from cloud.errors import BadRequest
from cloud.metrics import Metrics
from cloud.telemetry import series
from cloud.telemetry.errors import TelemetryError
from cloud.telemetry.queries import Span, Which, gaps
from cloud.telemetry.retention import Retention, sweep
from cloud.telemetry.store import REJECTED_PER_NODE, TelemetryStore
from edge.wire.messages import Entry, EntryKind
from tests.support.data import (
    BN,
    NOON,
    SECOND,
    N,
    T,
    U,
    V,
    broken_entry,
    database_at,
    gap_entry,
    numbers,
    rejections,
    senml_entry,
    stored,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(tmp_path):
    async with database_at(tmp_path / "cloud.db") as opened:
        yield opened


@pytest.fixture
def store(database):
    return TelemetryStore(database, Metrics())


async def test_a_batch_and_its_mark_are_stored_together(store, database):
    entry = senml_entry(4, {U: "Cel", V: 21.5, T: -1}, {N: "min", V: 20.0})
    assert await store.ingest("n1", 7, [entry]) == 4
    assert await store.mark("n1", 7) == 4
    assert await stored(database) == [
        ("n1", "meter", "temp", "Cel", NOON - SECOND, 21.5),
        ("n1", "meter", "temp/min", "", NOON, 20.0),
    ]


async def test_entries_sent_again_are_skipped(store, database):
    await store.ingest("n1", 1, [senml_entry(1), senml_entry(2)])
    assert await store.ingest("n1", 1, [senml_entry(2), senml_entry(3)]) == 3
    assert await store.ingest("n1", 1, [senml_entry(1), senml_entry(3)]) == 3
    assert await numbers(database) == [1.0, 2.0, 3.0]


async def test_epochs_and_nodes_count_apart(store, database):
    for node, epoch in (("n1", 1), ("n1", 2), ("n2", 1)):
        assert await store.ingest(node, epoch, [senml_entry(1)]) == 1
    assert len(await numbers(database)) == 3
    assert await store.mark("n2", 2) == 0


async def test_what_cannot_be_decoded_is_kept_apart_and_blocks_nothing(store, database):
    stray = Entry(
        seq=3,
        kind=EntryKind.SENML,
        app="meter",
        stream="a b",
        time_ns=NOON,
        payload=b"\x81\xa1\x02\x01",
    )
    broken_gap = Entry(
        seq=4, kind=EntryKind.GAP, app="meter", stream="temp", time_ns=1 << 70, payload=b"\xa0"
    )
    batch = [senml_entry(1), broken_entry(2), stray, broken_gap, senml_entry(5)]
    assert await store.ingest("n1", 1, batch) == 5
    assert await numbers(database) == [1.0, 5.0]
    refused = await rejections(database)
    assert [seq for seq, _ in refused] == [2, 3, 4]
    assert "not CBOR" in refused[0][1]
    assert "stream" in refused[1][1]


async def test_half_a_pack_is_never_stored(store, database):
    await store.ingest("n1", 1, [senml_entry(1, {V: 1}, {V: "x"})])
    assert await numbers(database) == []


async def test_only_the_newest_rejected_entries_are_kept(store, database):
    for first in (1, 81):
        batch = [broken_entry(seq) for seq in range(first, first + 80)]
        await store.ingest("n1", 1, batch)
    kept = [seq for seq, _ in await rejections(database)]
    assert kept == list(range(161 - REJECTED_PER_NODE, 161))


async def test_gaps_are_remembered(store, database):
    assert await store.ingest("n1", 1, [gap_entry(1, records=9)]) == 1
    (gap,) = await database.read(lambda connection: gaps(connection, Which(), Span()))
    assert (gap.node, gap.stream, gap.records, gap.first_ns) == ("n1", "temp", 9, NOON)


async def test_a_gap_at_impossible_times_is_rejected_not_fatal(store, database):
    entries = [gap_entry(1, last_ns=(1 << 64) - 1), gap_entry(2, first_ns=-1), senml_entry(3)]
    assert await store.ingest("n1", 1, entries) == 3
    assert [seq for seq, _ in await rejections(database)] == [1, 2]


async def test_falling_sequence_numbers_are_refused_whole(store, database):
    with pytest.raises(TelemetryError, match="rise"):
        await store.ingest("n1", 1, [senml_entry(2), senml_entry(1)])
    assert await numbers(database) == []


async def test_a_node_cannot_invent_names_without_end(store, database, monkeypatch):
    monkeypatch.setattr(series, "SERIES_PER_NODE", 3)
    entries = [senml_entry(seq, {N: f"x{seq}", V: 1}) for seq in range(1, 6)]
    await store.ingest("n1", 1, entries)
    assert len(await numbers(database)) == 3
    assert [seq for seq, _ in await rejections(database)] == [4, 5]
    await store.ingest("n2", 1, [senml_entry(1)])
    assert len(await numbers(database)) == 4


async def test_a_failed_write_leaves_no_series_behind_that_later_ones_trust(store, database):
    def fail(connection):
        raise BadRequest("on purpose")

    original = database.write

    async def failing(work, then=None):
        def both(connection):
            work(connection)
            fail(connection)

        return await original(both, then)

    database.write = failing
    with pytest.raises(BadRequest):
        await store.ingest("n1", 1, [senml_entry(1)])
    database.write = original
    await store.ingest("n1", 1, [senml_entry(1)])
    assert [row[:3] for row in await stored(database)] == [("n1", "meter", "temp")]


async def test_many_nodes_at_once_keep_their_own(store, database):
    async def send(node):
        for first in range(1, 31, 10):
            batch = [senml_entry(seq, {BN: "", V: seq}) for seq in range(first, first + 10)]
            await store.ingest(node, 1, batch)

    await asyncio.gather(*(send(f"n{number}") for number in range(20)))
    rows = await stored(database)
    for number in range(20):
        assert [row[-1] for row in rows if row[0] == f"n{number}"] == list(range(1, 31))


async def test_retention_forgets_what_is_too_old_or_too_many(store, database):
    entries = [senml_entry(seq, {T: -100 + seq, V: seq}) for seq in range(1, 51)]
    await store.ingest("n1", 1, [gap_entry(1, last_ns=NOON - 300 * SECOND, first_ns=0)])
    await store.ingest("n1", 1, [senml_entry(2, {N: "other", V: -1})])
    await store.ingest("n1", 2, entries)
    assert await sweep(database, Retention(90 * SECOND, 1000), NOON) == 9
    assert await numbers(database) == [-1, *range(10, 51)]
    assert await sweep(database, Retention(90 * SECOND, 5), NOON) == 36
    assert await numbers(database) == [-1, 46, 47, 48, 49, 50]
    assert await database.read(lambda connection: gaps(connection, Which(), Span())) == []


async def test_ids_are_not_given_out_again_after_retention(store, database):
    await store.ingest("n1", 1, [senml_entry(1)])
    await sweep(database, Retention(SECOND, 10), NOON + 10 * SECOND)
    await store.ingest("n1", 1, [senml_entry(2)])
    ids = await database.read(
        lambda connection: list(connection.exec_driver_sql("SELECT id FROM telemetry_readings"))
    )
    assert ids == [(2,)]


def _run_and_kill(path: Path, acked: int, lines: int) -> int:
    """The last mark that a process printed before it was killed amid its work."""
    command = [sys.executable, "-m", "tests.support.telemetry_victim", str(path), str(acked)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as victim:
        for _ in range(lines):
            acked = int(victim.stdout.readline())
        victim.kill()
        for line in victim.stdout:
            acked = int(line)
    return acked


async def test_every_reading_is_there_once_though_the_process_is_killed_again_and_again(tmp_path):
    path, acked = tmp_path / "cloud.db", 0
    chance = random.Random(5)
    for _ in range(4):
        # What was not acknowledged is sent again from there, as a node does.
        acked = _run_and_kill(path, acked, chance.randint(1, 30))
    async with database_at(path) as database:
        mark = await TelemetryStore(database, Metrics()).mark("n1", 1)
        assert mark >= acked > 0
        assert await numbers(database) == [float(seq) for seq in range(1, mark + 1)]
