"""From starting the agent's process, without any network, to its app running from the store."""

import tempfile
import time
from pathlib import Path

from cloud.client.api import Client
from tests.bench.deploy import NODE, SPEC
from tests.bench.desk import Watch, app_object, push_app
from tests.bench.node import THERMOMETER, App
from tests.bench.processes import Agent, Cloud
from tests.bench.report import Figure, Report

ROUNDS = 5
NAME = "offline"


class Offline:
    """An agent that was killed, with its cloud gone."""

    name = NAME

    def run(self, report: Report) -> None:
        """Seconds from the process to `Running`."""
        app = App.build(THERMOMETER)
        with tempfile.TemporaryDirectory(prefix="skerry-bench-") as name:
            directory = Path(name)
            with (
                Cloud(directory / "cloud") as cloud,
                Agent(NODE, cloud.url, directory / NODE, labels=["bench=deploy"]) as agent,
                Client(cloud.url) as client,
            ):
                digest = push_app(client, app, NAME, b"")
                client.apply(app_object(NAME, app.manifest.name, digest, **SPEC))
                Watch(client.url).running(NAME)
                agent.kill()
                url = cloud.url
            values = tuple(self._restart(url, directory / NODE) for _ in range(ROUNDS))
        note = "thermometer; process start to Running, no cloud"
        report.add(Figure(self.name, "offline start to app running", "s", values, "< 5", note))

    @staticmethod
    def _restart(url: str, state: Path) -> float:
        began = time.monotonic()
        with Agent(NODE, url, state) as agent:
            agent.until_app(NAME, "Running")
            took = time.monotonic() - began
            agent.kill()
        return took
