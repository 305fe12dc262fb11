"""From creating an App in the API to its instance seen Running by a watch.

Everything takes part: API, controller, hub, wire, agent, download, compiler (not cached) and sandbox.
"""

import itertools
import tempfile
import time
from pathlib import Path

from cloud.client.api import Client
from tests.bench.desk import Watch, app_object, push_app
from tests.bench.node import THERMOMETER, App
from tests.bench.processes import Agent, Cloud
from tests.bench.report import Figure, Report

ROUNDS = 7
NODE = "bench"
SPEC = {"grants": {"probe": "i2c-1:0x48"}, "selector": {"matchLabels": {"bench": "deploy"}}}


class Deploy:
    """One node, one App after the other."""

    name = "deploy"

    def run(self, report: Report) -> None:
        """Seconds, with the code in the node's cache and without."""
        app = App.build(THERMOMETER)
        with tempfile.TemporaryDirectory(prefix="skerry-bench-") as name:
            directory = Path(name)
            with (
                Cloud(directory / "cloud") as cloud,
                Agent(NODE, cloud.url, directory / NODE, labels=["bench=deploy"]),
                Client(cloud.url) as client,
            ):
                deployer = Deployer(client, app)
                deployer.once(b"")  # warms up both sides and the cache
                cached = tuple(deployer.once(b"") for _ in range(ROUNDS))
                fresh = tuple(deployer.once(bytes([1, index])) for index in range(ROUNDS))
        for what, values in (("code cached", cached), ("new module", fresh)):
            note = "thermometer; POST to Running in a watch"
            report.add(Figure(self.name, f"deploy to running, {what}", "s", values, "< 1", note))


class Deployer:
    """Creates an App, waits for it to run, deletes it."""

    def __init__(self, client: Client, app: App) -> None:
        self._client = client
        self._app = app
        self._watch = Watch(client.url)
        self._number = itertools.count(1)

    def once(self, padding: bytes) -> float:
        """Seconds from the request to Running; `padding` makes a module the node has never seen."""
        name = f"deploy-{next(self._number)}"
        repository = self._app.manifest.name
        digest = push_app(self._client, self._app, name, padding)
        body = app_object(name, repository, digest, **SPEC)
        began = time.monotonic()
        self._client.apply(body)
        took = self._watch.running(name) - began
        self._client.delete("apps", name)
        self._watch.gone(name)
        return took
