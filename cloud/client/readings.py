"""`skerry telemetry` and `skerry logs`: what the nodes have sent."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator

from cloud.client import output
from cloud.client.api import Client, Json
from cloud.client.errors import InputError

TELEMETRY = "/apis/telemetry.skerry.dev/v1alpha1"
LIMIT_MAX = 10_000
"""Readings or lines in one answer of the cloud."""
ACCEPT = {"csv": "text/csv", "senml": "application/senml+json"}
SEVERITY = {3: "error", 4: "warning", 6: "info", 7: "debug"}
HEADER = ("TIME", "NODE", "APP", "NAME", "VALUE", "UNIT")


def telemetry(args: Namespace) -> None:
    """Show readings, oldest first; with --follow go on as they arrive."""
    if args.follow and (args.latest or args.output in ACCEPT):
        raise InputError("--follow: goes with -o table or json, and without --latest")
    _check("--limit", args.limit)
    which = {"node": args.node, "app": args.app, "name": args.name}
    params = {key: value for key, value in which.items() if value}
    with Client(args.cloud) as client:
        if args.latest:
            path = f"{TELEMETRY}/latest"
            asked = params
        else:
            path = f"{TELEMETRY}/readings"
            asked = params | {"from": _since(args.since), "limit": str(args.limit)}
        if args.output in ACCEPT:
            headers = {"accept": ACCEPT[args.output]}
            print(client.request("GET", path, params=asked, headers=headers).text, end="")
            return
        found = client.json("GET", path, params=asked)
        readings: list[Json] = found["items"]
        if not args.latest:
            readings.reverse()  # the cloud gives the newest first
        _show(readings, found.get("gaps", []), args)
        if args.follow:
            cursor = str(found["metadata"]["cursor"])
            _follow(client, path, params | {"watch": "true", "cursor": cursor}, args)


def logs(args: Namespace) -> None:
    """Show an app's log lines, oldest first; with --follow go on as they arrive."""
    _check("--tail", args.tail)
    which = {"node": args.node, "app": args.app}
    params = {key: value for key, value in which.items() if value} | {"tail": str(args.tail)}
    if args.follow:
        params["follow"] = "true"
    with Client(args.cloud) as client, client.lines(f"{TELEMETRY}/logs", params) as lines:
        for line in lines:
            if line.get("type") != "BOOKMARK":
                _show_line(line, args.output)


def _check(option: str, number: int) -> None:
    if not 1 <= number <= LIMIT_MAX:
        raise InputError(f"{option}: {number} is not from 1 to {LIMIT_MAX}")


def _since(text: str) -> str:
    """`1h` → `-1h`; a time stays as it is."""
    return text if "T" in text.upper() else f"-{text.removeprefix('-')}"


def _show(readings: list[Json], gaps: list[Json], args: Namespace) -> None:
    if args.output in {"json", "yaml"} and not args.follow:
        output.show(readings, args.output)
        return
    if args.output == "json":
        for reading in readings:
            print(json.dumps(reading), flush=True)
        return
    if readings and not args.follow:
        output.show_rows(HEADER, [_row(reading) for reading in readings])
    else:
        _print_rows(readings)
    for gap in gaps:
        print(
            f"{gap['node']} {gap['app']} {gap['name']}: {gap['records']} readings were dropped "
            f"by a full outbox between {gap['first']} and {gap['last']}",
            file=sys.stderr,
        )
    if not readings and not args.follow:
        print("no readings; --since 7d looks further back", file=sys.stderr)


def _follow(client: Client, path: str, params: dict[str, str], args: Namespace) -> None:
    with client.lines(path, params) as events:
        for reading in _readings(events):
            if args.output == "json":
                print(json.dumps(reading), flush=True)
            else:
                _print_rows([reading])


def _readings(events: Iterator[Json]) -> Iterator[Json]:
    return (event["object"] for event in events if event["type"] == "READING")


def _print_rows(readings: Iterable[Json]) -> None:
    """Rows in columns of fixed width, since the widest of a stream is not known."""
    for reading in readings:
        time, node, app, name, value, unit = _row(reading)
        print(f"{time:<24}  {node:<12}  {app:<14}  {name:<18}  {value} {unit}", flush=True)


def _row(reading: Json) -> tuple[str, str, str, str, str, str]:
    value = reading.get("value", reading.get("data", ""))
    if isinstance(value, bool):
        text = str(value).lower()
    else:
        text = f"{value:.10g}" if isinstance(value, int | float) else str(value)
    time = f"{reading['time'].rstrip('Z').partition('.')[0]}.{_milliseconds(reading['time'])}Z"
    return (
        time,
        reading["node"],
        reading["app"],
        reading["name"],
        text,
        reading.get("unit", ""),
    )


def _milliseconds(time: str) -> str:
    return time.rstrip("Z").partition(".")[2][:3].ljust(3, "0")


def _show_line(line: Json, form: str) -> None:
    if form == "json":
        print(json.dumps(line), flush=True)
    elif "dropped" in line:
        print(f"{line['time']} {line['node']}: {line['dropped']} lines were lost", flush=True)
    else:
        level = SEVERITY.get(line["level"], str(line["level"]))
        app = line["app"] or "agent"
        print(f"{line['time']} {line['node']}/{app} {level}: {line['text']}", flush=True)
