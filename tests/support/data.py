"""Readings in SenML, a database of one's own, and the data side of the cloud on a real socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2
import httpx
from sqlalchemy import select
from starlette.applications import Starlette

from cloud.api.http import ERROR_HANDLERS
from cloud.clock import utc_now
from cloud.metrics import Metrics
from cloud.store.database import Database
from cloud.telemetry.logs import LogStore
from cloud.telemetry.routes import PREFIX, TelemetryApi
from cloud.telemetry.schema import READINGS, REJECTED, SERIES
from cloud.telemetry.store import TelemetryStore
from edge.wire.codec import encode_gap
from edge.wire.messages import Entry, EntryKind, Gap, LogLine
from tests.support.serving import serving

SECOND = 10**9
NOON = 1_800_000_000 * SECOND
BVER, BN, BT, BU, BV, BS = -1, -2, -3, -4, -5, -6
N, U, V, VS, VB, S, T, UT, VD = range(9)


def senml_entry(
    seq: int,
    *records: dict[int | str, Any],
    app: str = "meter",
    stream: str = "temp",
    time_ns: int = NOON,
) -> Entry:
    """One call of an app; without records one with its sequence number as value."""
    pack = cbor2.dumps(list(records) or [{V: float(seq)}])
    return Entry(
        seq=seq, kind=EntryKind.SENML, app=app, stream=stream, time_ns=time_ns, payload=pack
    )


def broken_entry(seq: int) -> Entry:
    return Entry(
        seq=seq, kind=EntryKind.SENML, app="meter", stream="temp", time_ns=NOON, payload=b"\xff"
    )


def gap_entry(seq: int, records: int = 3, first_ns: int = NOON, last_ns: int = NOON + 5) -> Entry:
    gap = encode_gap(Gap(records=records, first_ns=first_ns, last_ns=last_ns))
    return Entry(
        seq=seq, kind=EntryKind.GAP, app="meter", stream="temp", time_ns=NOON, payload=gap
    )


def log_line(seq: int, text: str = "", app: str = "meter") -> LogLine:
    return LogLine(seq=seq, app=app, level=6, time_ns=NOON + seq, text=text or f"line {seq}")


@asynccontextmanager
async def database_at(path: Path) -> AsyncIterator[Database]:
    database = await Database.open(path)
    try:
        yield database
    finally:
        await database.close()


async def stored(database: Database) -> list[tuple[str, str, str, str, int, float]]:
    """Node, app, name, unit, time and number of every reading, as stored."""
    query = (
        select(
            SERIES.c.node,
            SERIES.c.app,
            SERIES.c.name,
            SERIES.c.unit,
            READINGS.c.time_ns,
            READINGS.c.number,
        )
        .join(SERIES, SERIES.c.id == READINGS.c.series_id)
        .order_by(READINGS.c.id)
    )
    return await database.read(
        lambda connection: [tuple(row) for row in connection.execute(query)]
    )


async def numbers(database: Database) -> list[float]:
    return [row[-1] for row in await stored(database)]


async def rejections(database: Database) -> list[tuple[int, str]]:
    query = select(REJECTED.c.seq, REJECTED.c.reason).order_by(REJECTED.c.id)
    return await database.read(
        lambda connection: [tuple(row) for row in connection.execute(query)]
    )


@dataclass
class DataService:
    """Stores and a client of their HTTP API."""

    database: Database
    telemetry: TelemetryStore
    logs: LogStore
    client: httpx.AsyncClient
    api: TelemetryApi

    async def get(self, path: str, **parameters: Any) -> Any:
        response = await self.client.get(f"{PREFIX}/{path}", params=parameters)
        assert response.status_code == 200, response.text
        return response.json()


@asynccontextmanager
async def data_service(folder: Path) -> AsyncIterator[DataService]:
    metrics = Metrics()
    async with database_at(folder / "cloud.db") as database:
        telemetry, logs = TelemetryStore(database, metrics), LogStore(database, metrics)
        api = TelemetryApi(database, telemetry, logs, utc_now)
        routes = [*api.routes(), metrics.route()]
        app = Starlette(routes=routes, exception_handlers=ERROR_HANDLERS)
        async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
            yield DataService(database, telemetry, logs, client, api)
            api.close()
