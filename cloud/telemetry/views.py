"""Readings as JSON, SenML JSON (RFC 8428 section 5) and CSV. Pure."""

import base64
import csv
import io
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from cloud.telemetry.queries import Bucket, GapRow, Reading, Series
from cloud.telemetry.times import format_time

API_VERSION = "telemetry.skerry.dev/v1alpha1"

Value = float | str | bool


class ReadingView(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One reading; `data` is base64url without padding, `sum` SenML's."""

    node: str
    app: str
    name: str
    unit: str = ""
    time: str
    value: Value | None = None
    data: str | None = None
    sum: float | None = None
    update_seconds: float | None = None


class BucketView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Numbers of one interval, named by its beginning."""

    node: str
    app: str
    name: str
    unit: str = ""
    time: str
    count: int
    avg: float
    min: float
    max: float


class SeriesView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One series."""

    node: str
    app: str
    name: str
    unit: str = ""


class GapView(Struct, frozen=True, kw_only=True):
    """Readings that a node had to drop."""

    node: str
    app: str
    name: str
    records: int
    first: str
    last: str


class ListMeta(
    Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"token": "continue"}
):
    """`continue` asks for the rest; `cursor` starts a watch exactly after this answer."""

    token: str = ""
    cursor: int | None = None


class Listing(Struct, frozen=True, kw_only=True, rename="camel"):
    """Kubernetes' shape of a list."""

    kind: str
    api_version: str = API_VERSION
    metadata: ListMeta = ListMeta()
    items: Sequence[Struct]


class ReadingListing(Listing, frozen=True, kw_only=True):
    """Readings, and what is known to be missing among them."""

    gaps: Sequence[GapView]


def reading_view(reading: Reading) -> ReadingView:
    """One reading for JSON."""
    of = reading.series
    return ReadingView(
        node=of.node,
        app=of.app,
        name=of.name,
        unit=of.unit,
        time=format_time(reading.time_ns),
        value=_value(reading),
        data=_base64(reading.data),
        sum=reading.total,
        update_seconds=reading.update_s,
    )


def bucket_view(bucket: Bucket) -> BucketView:
    """One interval for JSON."""
    of = bucket.series
    return BucketView(
        node=of.node,
        app=of.app,
        name=of.name,
        unit=of.unit,
        time=format_time(bucket.time_ns),
        count=bucket.samples,
        avg=bucket.average,
        min=bucket.minimum,
        max=bucket.maximum,
    )


def series_view(of: Series) -> SeriesView:
    """One series for JSON."""
    return SeriesView(node=of.node, app=of.app, name=of.name, unit=of.unit)


def gap_view(gap: GapRow) -> GapView:
    """One gap for JSON."""
    return GapView(
        node=gap.node,
        app=gap.app,
        name=gap.stream,
        records=gap.records,
        first=format_time(gap.first_ns),
        last=format_time(gap.last_ns),
    )


def senml(readings: Iterable[Reading]) -> bytes:
    """A SenML pack; names are `node/app/name`, times absolute and exact."""
    return msgspec.json.encode([_senml_record(reading) for reading in readings])


def readings_csv(readings: Iterable[Reading]) -> str:
    """A header and one line a reading."""
    rows = (
        (
            format_time(reading.time_ns),
            *reading.series[1:],
            _text(_value(reading)),
            _base64(reading.data) or "",
            _text(reading.total),
        )
        for reading in readings
    )
    return _csv(("time", "node", "app", "name", "unit", "value", "data", "sum"), rows)


def buckets_csv(buckets: Iterable[Bucket]) -> str:
    """A header and one line an interval."""
    rows = (
        (format_time(bucket.time_ns), *bucket.series[1:], *(repr(each) for each in bucket[2:]))
        for bucket in buckets
    )
    return _csv(("time", "node", "app", "name", "unit", "count", "avg", "min", "max"), rows)


def _senml_record(reading: Reading) -> dict[str, object]:
    of = reading.series
    seconds, rest = divmod(reading.time_ns, 10**9)
    record: dict[str, object] = {
        "n": f"{of.node}/{of.app}/{of.name}",
        # Written digit by digit: a float would lose the nanoseconds.
        "t": msgspec.Raw(f"{seconds}.{rest:09d}".rstrip("0").rstrip(".").encode()),
    }
    optional = {
        "u": of.unit or None,
        "v": reading.number,
        "vs": reading.text,
        "vb": reading.flag,
        "vd": _base64(reading.data),
        "s": reading.total,
        "ut": reading.update_s,
    }
    record.update({label: value for label, value in optional.items() if value is not None})
    return record


def _value(reading: Reading) -> Value | None:
    for value in (reading.number, reading.text, reading.flag):
        if value is not None:
            return value
    return None


def _text(value: Value | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
