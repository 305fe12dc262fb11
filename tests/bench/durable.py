"""Durable telemetry, end to end: an app's call, LMDB, the wire, SQLite's commit, the ack.

A C app publishes packs of 100 records as fast as the node takes them, in a real agent against a
real cloud. Time runs from its first call until the cloud's database has all records and the
node's outbox is empty, because everything was acknowledged.
"""

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud.client.api import Client
from tests.bench.desk import Watch, app_object, push_app
from tests.bench.node import GUESTS, App
from tests.bench.processes import Agent, BenchError, Cloud, wait_until
from tests.bench.records import PACK
from tests.bench.report import Figure, Report

NODE = "bench"
ROUNDS = 3
PACKS = {"synced": 2_000, "relaxed": 3_000}
"""Packs of one round: some seconds' worth."""
WITHIN = 120.0
TARGET = ">= 20000"
PEERS = {"synced": "mosquitto durable", "relaxed": "mosquitto default"}
FORMS = ("1 record a message", "100 records a message")


class Durable:
    """Records a second of each durability, and the peer's beside them."""

    name = "durable"

    def run(self, report: Report) -> None:
        """Measure both streams; ratios only to what the peer reached in this run."""
        app = App.build(GUESTS / "flood")
        for stream, packs in PACKS.items():
            with (
                tempfile.TemporaryDirectory(prefix="skerry-bench-") as name,
                _site(name, app) as site,
            ):
                site.run(stream, PACK)  # warms up
                runs = [site.run(stream, packs) for _ in range(ROUNDS)]
            figure = Figure(
                self.name,
                f"durable {stream}, packs of {PACK}",
                "records/s",
                tuple(whole for whole, _ in runs),
                TARGET,
                "first call to last ack",
            )
            report.add(figure)
            calls = tuple(calls for _, calls in runs)
            note = "first call to last return: what the app sees"
            report.add(
                Figure(self.name, f"durable {stream}, calls alone", "records/s", calls, "", note)
            )
            self._compare(report, stream, figure)

    def _compare(self, report: Report, stream: str, ours: Figure) -> None:
        for form in FORMS:
            theirs = report.find(f"{PEERS[stream]}, {form}")
            if theirs is not None:
                ratio = ours.median / theirs.median
                name = f"  {stream} / {theirs.name}"
                report.add(Figure(self.name, name, "times", (ratio,)))


class Site:
    """A cloud, a node and the app on it."""

    def __init__(self, client: Client, agent: Agent, database: Path) -> None:
        self._client = client
        self._agent = agent
        self._database = database
        self._run = 0
        self._stored = 0

    def run(self, stream: str, packs: int) -> tuple[float, float]:
        """Records/s of one run: until all is acknowledged, and until the app's last call."""
        self._run += 1
        records = packs * PACK
        twin = {"run": self._run, "packs": packs, "relaxed": stream == "relaxed"}
        self._client.patch("apps", "flood", {"spec": {"twin": twin}})
        self._stored += records
        wait_until(lambda: self._count() >= self._stored, f"{stream}: all records", WITHIN)
        self._agent.until_drained()
        ended = time.monotonic()
        if self._count() != self._stored:
            raise BenchError(f"{stream}: {self._count()} records stored, {self._stored} published")
        first_ms, took_us = self._report()
        return records / (ended - first_ms / 1000), records / (took_us / 1e6)

    def _count(self) -> int:
        # A rising id without gaps: cheap to ask while the cloud writes.
        with sqlite3.connect(f"file:{self._database}?mode=ro", uri=True) as database:
            (found,) = database.execute("SELECT max(id) FROM telemetry_readings").fetchone()
        database.close()
        return found or 0

    def _report(self) -> tuple[int, int]:
        """What the app said of the run: first call in monotonic ms, µs until the last returned."""
        lines = self._agent.ask("logs", app="flood", tail=1)
        _, first_ms, took_us = lines[-1]["text"].split()
        return int(first_ms), int(took_us)


@contextmanager
def _site(name: str, app: App) -> Iterator[Site]:
    directory = Path(name)
    with (
        Cloud(directory / "cloud") as cloud,
        Agent(NODE, cloud.url, directory / NODE) as agent,
        Client(cloud.url) as client,
    ):
        watch = Watch(cloud.url)
        digest = push_app(client, app, "bench")
        client.apply(app_object("flood", "flood", digest))
        watch.running("flood")
        yield Site(client, agent, directory / "cloud" / "cloud.db")
