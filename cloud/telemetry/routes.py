"""Readings and log lines over HTTP: docs/telemetry-api.md says what each path takes and gives."""

from collections.abc import AsyncIterator

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from cloud.clock import Clock
from cloud.errors import BadRequest, NotAcceptable, Unavailable
from cloud.store.database import Database
from cloud.telemetry import follow, lines, queries
from cloud.telemetry.logs import LogStore
from cloud.telemetry.parameters import LIMIT_DEFAULT, LIMIT_MAX, Parameters, token
from cloud.telemetry.queries import TIME_END, Position, Reading, Span, Which
from cloud.telemetry.store import TelemetryStore
from cloud.telemetry.times import parse_duration, parse_time
from cloud.telemetry.views import (
    API_VERSION,
    Listing,
    ListMeta,
    ReadingListing,
    bucket_view,
    buckets_csv,
    gap_view,
    reading_view,
    readings_csv,
    senml,
    series_view,
)

PREFIX = f"/apis/{API_VERSION}"
STREAMS_LIMIT = 200
"""Open tails of readings or lines; each commit makes each of them read."""

_JSON, _SENML, _CSV, _LINES = (
    "application/json",
    "application/senml+json",
    "text/csv",
    "application/x-ndjson",
)
_WHICH = ("node", "app", "name")
_SPAN = ("from", "to")


class TelemetryApi:
    """The routes over one store. Concurrency: one event loop."""

    def __init__(
        self, database: Database, telemetry: TelemetryStore, logs: LogStore, clock: Clock
    ) -> None:
        self._database = database
        self._telemetry = telemetry
        self._logs = logs
        self._clock = clock
        self.streams = 0
        """Tails that are open."""

    def routes(self) -> list[Route]:
        """Everything under PREFIX."""
        return [
            Route(f"{PREFIX}/readings", self._readings),
            Route(f"{PREFIX}/series", self._series),
            Route(f"{PREFIX}/latest", self._latest),
            Route(f"{PREFIX}/gaps", self._gaps),
            Route(f"{PREFIX}/logs", self._log_lines),
        ]

    def close(self) -> None:
        """End all tails, present and future."""
        self._telemetry.changed.close()
        self._logs.changed.close()

    async def _readings(self, request: Request) -> Response:
        known = (*_WHICH, *_SPAN, "order", "limit", "continue", "interval", "watch", "cursor")
        parameters = Parameters(request, known)
        if parameters.flag("watch"):
            return await self._watch(parameters)
        which, span = parameters.which(), parameters.span(self._now_ns())
        limit = max(1, parameters.number("limit", LIMIT_DEFAULT, LIMIT_MAX))
        if parameters.text("interval"):
            interval_ns = parse_duration("interval", parameters.text("interval"))
            return await self._buckets(request, which, span, interval_ns)
        kind = _media_type(request, (_JSON, _SENML, _CSV))
        newest_first = parameters.choice("order", ("newest", "oldest")) == "newest"
        after = parameters.position()

        def work(connection: Connection) -> Response:
            found = queries.readings(
                connection, which, span, limit + 1, newest_first=newest_first, after=after
            )
            shown, more = _fit(found, limit)
            if kind == _JSON:
                return _reading_list(connection, which, span, shown, more=more)
            body = senml(shown) if kind == _SENML else readings_csv(shown)
            headers = {"Skerry-Continue": _token(shown[-1])} if more else None
            return Response(body, media_type=kind, headers=headers)

        return await self._database.read(work)

    async def _buckets(
        self, request: Request, which: Which, span: Span, interval_ns: int
    ) -> Response:
        kind = _media_type(request, (_JSON, _CSV))
        if span.start == 0:
            raise BadRequest("from: say where to begin when asking for intervals, like -24h")

        def work(connection: Connection) -> Response:
            found = queries.buckets(connection, which, span, interval_ns, LIMIT_MAX)
            if kind == _CSV:
                return Response(buckets_csv(found), media_type=_CSV)
            return _json(
                Listing(kind="IntervalList", items=[bucket_view(bucket) for bucket in found])
            )

        return await self._database.read(work)

    async def _watch(self, parameters: Parameters) -> Response:
        which = parameters.which()
        if parameters.text("cursor"):
            cursor = parameters.number("cursor", 0, TIME_END)
        else:
            cursor = await self._database.read(queries.newest_id)
        return self._stream(
            follow.readings(self._database, self._telemetry.changed, which, cursor)
        )

    async def _series(self, request: Request) -> Response:
        which = Parameters(request, _WHICH).which()
        found = await self._database.read(lambda connection: queries.series(connection, which))
        return _json(Listing(kind="SeriesList", items=[series_view(each) for each in found]))

    async def _latest(self, request: Request) -> Response:
        which = Parameters(request, _WHICH).which()
        kind = _media_type(request, (_JSON, _SENML, _CSV))
        found = await self._database.read(lambda connection: queries.latest(connection, which))
        if kind == _JSON:
            return _json(Listing(kind="ReadingList", items=[reading_view(each) for each in found]))
        return Response(senml(found) if kind == _SENML else readings_csv(found), media_type=kind)

    async def _gaps(self, request: Request) -> Response:
        parameters = Parameters(request, (*_WHICH, *_SPAN))
        which, span = parameters.which(), parameters.span(self._now_ns())
        found = await self._database.read(lambda connection: queries.gaps(connection, which, span))
        return _json(Listing(kind="GapList", items=[gap_view(gap) for gap in found]))

    async def _log_lines(self, request: Request) -> Response:
        parameters = Parameters(request, ("node", "app", "tail", "since", "follow"))
        since = parameters.text("since")
        which = lines.WhichLines(
            node=parameters.text("node"),
            app=parameters.text("app") if "app" in request.query_params else None,
            since_ns=parse_time("since", since, self._now_ns()) if since else 0,
        )
        tail = parameters.number("tail", LIMIT_DEFAULT, LIMIT_MAX)
        found, cursor = await self._database.read(
            lambda connection: lines.newest(connection, which, tail)
        )
        if not parameters.flag("follow"):
            return Response(lines.render(found), media_type=_LINES)
        return self._stream(follow.lines(self._database, self._logs.changed, which, found, cursor))

    def _stream(self, content: AsyncIterator[bytes]) -> Response:
        if self.streams >= STREAMS_LIMIT:
            raise Unavailable(f"{STREAMS_LIMIT} tails are open; try again later")
        return StreamingResponse(self._counted(content), media_type=_LINES)

    async def _counted(self, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self.streams += 1
        try:
            async for data in content:
                yield data
        finally:
            self.streams -= 1

    def _now_ns(self) -> int:
        return int(self._clock().timestamp() * 1e9)


def _reading_list(
    connection: Connection, which: Which, span: Span, shown: list[Reading], *, more: bool
) -> Response:
    listing = ReadingListing(
        kind="ReadingList",
        metadata=ListMeta(
            token=_token(shown[-1]) if more else "", cursor=queries.newest_id(connection)
        ),
        items=[reading_view(reading) for reading in shown],
        gaps=[gap_view(gap) for gap in queries.gaps(connection, which, span)],
    )
    return _json(listing)


ANSWER_BYTES = 8 << 20
"""Bytes of texts and data in one answer; the rest is for `continue`."""


def _fit(found: list[Reading], limit: int) -> tuple[list[Reading], bool]:
    """What one answer shows, at least one reading, and whether there is more."""
    size = 0
    for index, reading in enumerate(found):
        size += len(reading.text or "") + len(reading.data or b"")
        if index == limit or (index and size > ANSWER_BYTES):
            return found[:index], True
    return found, False


def _token(reading: Reading) -> str:
    return token(Position(reading.time_ns, reading.id))


def _json(value: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(value), media_type=_JSON)


def _media_type(request: Request, offered: tuple[str, ...]) -> str:
    """The first of what the client accepts that is offered here; the first for `*/*`."""
    accept = request.headers.get("accept", "*/*")
    for each in accept.split(","):
        name = each.partition(";")[0].strip().lower()
        if name in offered:
            return name
        if name in {"", "*/*", "application/*"}:
            return offered[0]
    raise NotAcceptable(f"accept: {accept!r:.80} is not written here; ask for {offered}")
