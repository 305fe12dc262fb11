"""Log lines: bounded, each once, what is missing shown."""

import json

import pytest

from cloud.metrics import Metrics
from cloud.telemetry import logs
from cloud.telemetry.logs import LogStore
from cloud.telemetry.routes import PREFIX
from tests.support.data import data_service, log_line

pytestmark = pytest.mark.anyio


@pytest.fixture
async def data(tmp_path):
    async with data_service(tmp_path) as service:
        yield service


async def lines(data, **parameters):
    response = await data.client.get(f"{PREFIX}/logs", params=parameters)
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]


async def texts(data, **parameters):
    return [line.get("text", line.get("dropped")) for line in await lines(data, **parameters)]


async def test_lines_sent_again_are_stored_once(data):
    await data.logs.ingest("n1", "boot", [log_line(1), log_line(2)])
    await data.logs.ingest("n1", "boot", [log_line(1), log_line(2), log_line(3)])
    assert await texts(data, node="n1") == ["line 1", "line 2", "line 3"]


async def test_another_boot_counts_anew(data):
    await data.logs.ingest("n1", "one", [log_line(1)])
    await data.logs.ingest("n1", "two", [log_line(1)])
    assert len(await texts(data)) == 2


async def test_lost_lines_leave_one_mark_in_their_place(data):
    await data.logs.ingest("n1", "boot", [log_line(1)])
    for _ in range(2):
        await data.logs.ingest("n1", "boot", [log_line(9)], dropped=7)
    assert await texts(data, node="n1", app="meter") == ["line 1", 7, "line 9"]
    assert (await lines(data, node="n1"))[1]["type"] == "GAP"


async def test_the_tail_is_the_newest_lines_of_what_was_asked_for(data):
    await data.logs.ingest("n1", "boot", [log_line(seq) for seq in range(1, 6)])
    await data.logs.ingest(
        "n1", "boot", [log_line(6, "other", app="pump"), log_line(7, "own", app="")]
    )
    await data.logs.ingest("n2", "boot", [log_line(1, "elsewhere")])
    assert await texts(data, node="n1", app="meter", tail=2) == ["line 4", "line 5"]
    assert await texts(data, app="pump") == ["other"]
    assert await texts(data, node="n1", app="") == ["own"]
    assert await texts(data, tail=1) == ["elsewhere"]
    assert await texts(data, tail=0) == []


async def test_only_the_newest_lines_of_an_app_are_kept(data, monkeypatch):
    monkeypatch.setattr(logs, "TRIM_EVERY", 10)
    store = LogStore(data.database, Metrics(), lines_per_app=5)
    await store.ingest("n1", "boot", [log_line(1, "quiet", app="pump")])
    await store.ingest("n1", "boot", [log_line(seq) for seq in range(2, 12)])
    assert await texts(data, node="n1", app="meter") == [f"line {seq}" for seq in range(7, 12)]
    assert await texts(data, node="n1", app="pump") == ["quiet"]


async def test_following_begins_with_the_tail_and_goes_on(data):
    await data.logs.ingest("n1", "boot", [log_line(1), log_line(2)])
    parameters = {"node": "n1", "app": "meter", "follow": "true", "tail": 1}
    async with data.client.stream("GET", f"{PREFIX}/logs", params=parameters) as response:
        found = response.aiter_lines()
        assert json.loads(await anext(found))["text"] == "line 2"
        await data.logs.ingest("n1", "boot", [log_line(3, "other", app="pump"), log_line(4)])
        assert json.loads(await anext(found))["text"] == "line 4"


async def test_times_and_levels_that_no_clock_has_are_brought_into_range(data):
    strange = log_line(1)
    strange = type(strange)(seq=1, app="meter", level=99, time_ns=-5, text="x")
    await data.logs.ingest("n1", "boot", [strange])
    (line,) = await lines(data)
    assert (line["time"], line["level"]) == ("1970-01-01T00:00:00Z", 7)


async def test_long_lines_are_bounded_by_their_bytes(data, monkeypatch):
    monkeypatch.setattr(logs, "TRIM_EVERY", 1)
    store = LogStore(data.database, Metrics(), bytes_per_app=100)
    for seq in range(1, 6):
        await store.ingest("n1", "boot", [log_line(seq, f"{seq}" + "é" * 19)])
    assert [text[0] for text in await texts(data, node="n1")] == ["4", "5"]
    await store.ingest("n1", "boot", [log_line(6, "x" * 1000, app="pump")])
    assert await texts(data, node="n1", app="pump") == [], "no line is kept that alone is too long"
