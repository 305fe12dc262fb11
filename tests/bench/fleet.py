"""The cloud's memory, idle and with 1,000 hollow nodes, and deployments while they are connected."""

import json
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from cloud.client.api import Client
from tests.bench.deploy import NODE, Deployer
from tests.bench.desk import Watch, app_object, push_app
from tests.bench.node import THERMOMETER, App
from tests.bench.processes import MB, OPTIMIZED, ROOT, Agent, BenchError, Cloud, settled_kb, stop
from tests.bench.report import Figure, Report

COUNT = 1000
RATE = 1
"""Records a second from each node."""
STEADY_SECONDS = 40
"""Of a run that only sends readings."""
BUSY_SECONDS = 60
"""Of a run during which apps are deployed."""
RAMP = 100
ONLINE_WITHIN = 60.0
DEPLOYMENTS = 5


class Fleet:
    """One cloud, first alone, then with a fleet."""

    name = "fleet"

    def run(self, report: Report) -> None:
        """Memory of the cloud, deployments, and what the fleet saw."""
        app = App.build(THERMOMETER)
        with tempfile.TemporaryDirectory(prefix="skerry-bench-") as name:
            directory = Path(name)
            with (
                Cloud(directory / "cloud") as cloud,
                Agent(NODE, cloud.url, directory / NODE, labels=["bench=deploy"]),
                Client(cloud.url) as client,
            ):
                deployer = Deployer(client, app)
                deployer.once(b"")
                self._memory(report, "one node", cloud)
                with Hollow(cloud.url, STEADY_SECONDS) as fleet:
                    fleet.wait_online()
                    self._memory(report, f"{COUNT:,} nodes", cloud)
                    self._told(report, fleet.summary(), f"{COUNT:,} nodes")
                with Hollow(cloud.url, BUSY_SECONDS) as fleet:
                    fleet.wait_online()
                    took = tuple(deployer.once(b"") for _ in range(DEPLOYMENTS))
                    title = f"deploy to one node of {COUNT + 1:,}"
                    report.add(Figure(self.name, title, "s", took, "", "code cached"))
                    self._deploy_to_all(report, client, app)
                    self._told(report, fleet.summary(), f"{COUNT:,} nodes, deploying")

    def _memory(self, report: Report, what: str, cloud: Cloud) -> None:
        found = settled_kb(cloud.pid)
        for kind in ("Pss", "Rss"):
            figure = Figure(self.name, f"cloud {kind.upper()}, {what}", "MiB", (found[kind] / MB,))
            report.add(figure)

    def _deploy_to_all(self, report: Report, client: Client, app: App) -> None:
        digest = push_app(client, app, "all")
        body = app_object(
            "all",
            app.manifest.name,
            digest,
            selector={"matchLabels": {"hollow": "true"}},
            grants={"probe": "i2c-1:0x48"},
            rollout={"canaries": 0, "concurrency": COUNT},
        )
        watch = Watch(client.url)
        began = time.monotonic()
        client.apply(body)
        took = watch.running("all", COUNT) - began
        title = f"deploy to all {COUNT:,} nodes"
        report.add(Figure(self.name, title, "s", (took,), "", "until the last says Running"))

    def _told(self, report: Report, seen: dict[str, Any], when: str) -> None:
        for title, unit, key, factor in (
            (
                f"records acknowledged, {when}",
                "records/s",
                "records_per_second",
                1,
            ),
            (f"ack p50, {when}", "ms", "ack_p50", 1000),
            (f"ack p99, {when}", "ms", "ack_p99", 1000),
            (f"sessions lost, {when}", "sessions", "reconnects", 1),
        ):
            if seen[key] is None:
                raise BenchError(f"the fleet saw no {key}")
            report.add(Figure(self.name, title, unit, (seen[key] * factor,)))


class Hollow:
    """`skerry bench nodes` beside us."""

    def __init__(self, url: str, seconds: float) -> None:
        argv = (*OPTIMIZED, "skerry.py", "bench", "nodes", "--cloud", url, "--count", str(COUNT))
        argv += ("--rate", str(RATE), "--seconds", str(seconds), "--ramp", str(RAMP))
        self._child = subprocess.Popen(
            (*argv, "-o", "json"),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._last = ""
        self._online = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> "Hollow":
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._child)

    def wait_online(self) -> None:
        """Return once all are connected."""
        if not self._online.wait(ONLINE_WITHIN):
            raise BenchError(f"the fleet is not online: {self._last}")

    def summary(self) -> dict[str, Any]:
        """What it saw, once it has ended by itself."""
        assert self._child.stdout is not None
        text = self._child.stdout.read()
        if not text:
            raise BenchError(f"the fleet failed: {self._last}")
        found: dict[str, Any] = json.loads(text)
        return found

    def _read(self) -> None:
        assert self._child.stderr is not None
        for line in self._child.stderr:
            self._last = line.strip()
            if f"{COUNT} of {COUNT} online" in line:
                self._online.set()
