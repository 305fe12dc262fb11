"""What can be asked of stored readings over HTTP."""

import asyncio
import csv
import io
import json

import httpx
import pytest

from cloud.errors import BadRequest
from cloud.telemetry.routes import PREFIX
from cloud.telemetry.times import format_time, parse_time
from tests.support.data import (
    NOON,
    SECOND,
    VB,
    VD,
    VS,
    N,
    T,
    U,
    V,
    data_service,
    gap_entry,
    senml_entry,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def data(tmp_path):
    async with data_service(tmp_path) as service:
        yield service


async def fill(data):
    """Ten seconds of two nodes: n1 counts up from 0, n2 down from 9."""
    up = [{U: "Cel", T: second - 10, V: second} for second in range(10)]
    down = [{U: "Cel", T: second - 10, V: 9 - second} for second in range(10)]
    await data.telemetry.ingest("n1", 1, [senml_entry(1, *up), gap_entry(2)])
    await data.telemetry.ingest("n2", 1, [senml_entry(1, *down)])


async def test_the_newest_readings_come_first(data):
    await fill(data)
    listing = await data.get("readings", node="n1", limit=3)
    assert listing["kind"] == "ReadingList"
    assert [item["value"] for item in listing["items"]] == [9, 8, 7]
    assert listing["items"][0] == {
        "node": "n1",
        "app": "meter",
        "name": "temp",
        "unit": "Cel",
        "time": format_time(NOON - SECOND),
        "value": 9,
    }


async def test_nodes_are_merged_in_order_of_time(data):
    await fill(data)
    listing = await data.get("readings", order="oldest", limit=4)
    assert [item["time"] for item in listing["items"]] == [
        format_time(NOON - back * SECOND) for back in (10, 10, 9, 9)
    ]


@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_pages_join_without_seam(data, order):
    await fill(data)
    values, token = [], ""
    while True:
        listing = await data.get("readings", order=order, limit=3, **{"continue": token})
        values += [(item["node"], item["value"]) for item in listing["items"]]
        token = listing["metadata"].get("continue", "")
        if not token:
            break
    assert len(values) == len(set(values)) == 20


async def test_a_time_range_holds_its_start_and_not_its_end(data):
    await fill(data)
    listing = await data.get(
        "readings",
        node="n1",
        **{"from": format_time(NOON - 5 * SECOND), "to": format_time(NOON - 3 * SECOND)},
    )
    assert [item["value"] for item in listing["items"]] == [6, 5]


async def test_names_are_exact_or_prefixes_and_case_counts(data):
    entry = senml_entry(1, {N: "a", V: 1}, {N: "A", V: 2}, {N: "ab", V: 3})
    await data.telemetry.ingest("n1", 1, [entry])
    for name, values in (
        ("temp/a", [1]),
        ("temp/a*", [1, 3]),
        ("temp/A*", [2]),
        ("temp*", [1, 2, 3]),
    ):
        listing = await data.get("readings", name=name)
        assert sorted(item["value"] for item in listing["items"]) == values


async def test_gaps_are_shown_with_the_readings_they_are_missing_from(data):
    await fill(data)
    listing = await data.get("readings", node="n1", name="temp/min")
    assert listing["gaps"] == await _gap_items(data, node="n1")
    assert listing["gaps"][0]["records"] == 3
    assert (await data.get("readings", node="n2"))["gaps"] == []


async def _gap_items(data, **which):
    return (await data.get("gaps", **which))["items"]


async def test_latest_has_one_reading_of_each_series(data):
    await fill(data)
    listing = await data.get("latest")
    assert [(item["node"], item["value"]) for item in listing["items"]] == [("n1", 9), ("n2", 0)]
    assert [item["node"] for item in (await data.get("series"))["items"]] == ["n1", "n2"]


async def test_intervals_hold_average_minimum_maximum_and_count(data):
    await fill(data)
    listing = await data.get(
        "readings", node="n1", interval="5s", **{"from": format_time(NOON - 10 * SECOND)}
    )
    assert [
        (item["avg"], item["min"], item["max"], item["count"]) for item in listing["items"]
    ] == [
        (2, 0, 4, 5),
        (7, 5, 9, 5),
    ]


async def test_every_kind_of_value_is_shown_in_each_format(data):
    records = ({V: 1.5}, {VS: "on"}, {VB: False}, {VD: b"\xff\xfe"})
    for seq, record in enumerate(records, 1):
        await data.telemetry.ingest("n1", 1, [senml_entry(seq, record, time_ns=NOON + seq)])
    listing = await data.get("readings", order="oldest")
    assert [item.get("value") for item in listing["items"]] == [1.5, "on", False, None]
    assert listing["items"][3]["data"] == "__4"
    senml = await _as(data, "application/senml+json")
    assert senml.text.startswith('[{"n":"n1/meter/temp","t":1800000000.000000001,"v":1.5}')
    assert [record.get("vb") for record in senml.json()] == [None, None, False, None]
    rows = list(csv.DictReader(io.StringIO((await _as(data, "text/csv")).text)))
    assert [row["value"] for row in rows] == ["1.5", "on", "false", ""]
    assert rows[3]["data"] == "__4"


async def _as(data, kind):
    parameters = {"order": "oldest"}
    return await data.client.get(f"{PREFIX}/readings", params=parameters, headers={"accept": kind})


@pytest.mark.parametrize(
    ("path", "parameters", "field"),
    [
        ("readings", {"nod": "x"}, "nod"),
        ("readings", {"limit": "-1"}, "limit"),
        ("readings", {"limit": "10001"}, "limit"),
        ("readings", {"order": "up"}, "order"),
        ("readings", {"from": "yesterday"}, "from"),
        ("readings", {"to": "2026-13-01T00:00:00Z"}, "to"),
        ("readings", {"continue": "x"}, "continue"),
        ("readings", {"interval": "1m"}, "from"),
        ("readings", {"interval": "0s", "from": "-1h"}, "interval"),
        ("readings", {"watch": "maybe"}, "watch"),
        ("readings", {"watch": "true", "cursor": "x"}, "cursor"),
        ("logs", {"tail": "x"}, "tail"),
    ],
)
async def test_a_wrong_question_is_told_which_part_is_wrong(data, path, parameters, field):
    response = await data.client.get(f"{PREFIX}/{path}", params=parameters)
    assert response.status_code == 400
    assert response.json()["message"].startswith(f"{field}: ")


async def test_a_tail_has_everything_after_its_cursor_once(data):
    await fill(data)
    cursor = (await data.get("readings"))["metadata"]["cursor"]
    seen: list[float] = []
    async with Tail(data, cursor=cursor, node="n1") as lines:
        assert json.loads(await anext(lines)) == {"type": "BOOKMARK", "cursor": cursor}
        for seq in range(10, 15):
            await data.telemetry.ingest("n1", 1, [senml_entry(seq)])
            await data.telemetry.ingest("n2", 1, [senml_entry(seq)])
            line = json.loads(await anext(lines))
            seen.append(line["object"]["value"])
            cursor = line["cursor"]
    assert seen == [10, 11, 12, 13, 14]
    await data.telemetry.ingest("n1", 1, [senml_entry(15)])
    async with Tail(data, cursor=cursor, node="n1") as lines:
        await anext(lines)
        assert json.loads(await anext(lines))["object"]["value"] == 15


async def test_a_tail_loses_nothing_while_many_nodes_write(data):
    async def write(node):
        for seq in range(1, 21):
            await data.telemetry.ingest(node, 1, [senml_entry(seq)])

    async with Tail(data, cursor=0) as lines:
        await anext(lines)
        writers = [asyncio.create_task(write(f"n{number}")) for number in range(10)]
        found = [json.loads(await anext(lines)) for _ in range(200)]
        await asyncio.gather(*writers)
    assert [line["cursor"] for line in found] == list(range(1, 201))


async def test_a_tail_ends_when_the_service_stops(data):
    async with Tail(data) as lines:
        await anext(lines)
        data.api.close()
        assert [line async for line in lines] == []


class Tail:
    def __init__(self, data, **parameters):
        url = f"{PREFIX}/readings"
        self._stream = data.client.stream("GET", url, params={"watch": "true", **parameters})

    async def __aenter__(self):
        response: httpx.Response = await self._stream.__aenter__()
        assert response.status_code == 200
        return response.aiter_lines()

    async def __aexit__(self, *ended):
        await self._stream.__aexit__(*ended)


async def test_numbers_are_exposed_for_prometheus(data):
    await fill(data)
    text = (await data.client.get("/metrics")).text
    assert "# TYPE skerry_telemetry_records_total counter" in text
    assert "\nskerry_telemetry_records_total 20\n" in text


def test_times_are_read_as_written():
    assert parse_time("from", "2027-01-15T08:00:00.5Z", 0) == NOON + SECOND // 2
    assert parse_time("from", "2027-01-15T10:00:00 02:00", 0) == NOON
    assert (
        parse_time("from", "-90s", NOON) == parse_time("from", "90s", NOON) == NOON - 90 * SECOND
    )
    assert format_time(NOON + 120_000_000) == "2027-01-15T08:00:00.12Z"
    with pytest.raises(BadRequest, match="from: "):
        parse_time("from", "soon", NOON)
