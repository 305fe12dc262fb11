"""Apps in Python: what one more costs a node, what a changed file costs the air and the person."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud.client.api import Client
from cloud.client.built import Built, load
from cloud.client.registry import Reference, app_artifact, push
from tests.bench.desk import app_object
from tests.bench.processes import MB, Agent, Cloud, settled_kb
from tests.bench.report import Figure, Report
from tests.support.proxy import Link
from tests.support.python_apps import SAYS, python_app, python_runtime
from tests.support.system import Process, skerry, until
from wasm_apps.tool import build

NODE = "bench"
COUNTS = (0, 1, 10, 50)
SAVES = 9
WITHIN = 300.0
"""Seconds an app may take to run: the first is compiled, politely, on a machine that may be busy."""


class PythonApps:
    """Sleeping programs of four lines, all of them on one runtime."""

    name = "python-apps"

    def run(self, report: Report) -> None:
        """Sizes, memory, bytes on the link, and seconds from a save to running."""
        with tempfile.TemporaryDirectory(prefix="skerry-bench-") as name:
            directory = Path(name)
            app = _built(directory / "sketch", "sketch", "0")
            self._add(report, "the runtime, for all apps", "KiB", (len(app.module) / 1024,))
            self._add(report, "the files of one app", "bytes", (len(app.files),))
            self._memory(report, directory / "memory")
            self._desk(report, directory / "desk")

    def _add(self, report: Report, what: str, unit: str, values: tuple[float, ...]) -> None:
        target = "< 2" if unit == "s" else ""
        report.add(Figure(self.name, what, unit, values, target, ""))

    def _memory(self, report: Report, directory: Path) -> None:
        found: dict[int, dict[str, int]] = {}
        with (
            Cloud(directory / "cloud") as cloud,
            Agent(NODE, cloud.url, directory / NODE) as agent,
            Client(cloud.url) as client,
        ):
            running = 0
            for count in COUNTS:
                for number in range(running, count):
                    _deploy(client, directory, f"app-{number}")
                    _runs(agent, f"app-{number}")
                running = count
                agent.until_drained()
                found[count] = settled_kb(agent.pid)
        for kind in ("Pss", "Rss"):
            shown = kind.upper()
            first = (found[1][kind] - found[0][kind]) / MB
            self._add(report, f"agent {shown}, the first app added", "MiB", (first,))
            for before, count in ((1, 10), (10, 50)):
                more = (found[count][kind] - found[before][kind]) / (count - before) / MB
                self._add(
                    report, f"agent {shown}, each of apps {before + 1}-{count}", "MiB", (more,)
                )

    def _desk(self, report: Report, directory: Path) -> None:
        seconds: list[float] = []
        carried: list[float] = []
        app = python_app(directory / "sketch", "sketch", main=SAYS.format(text="before"))
        with _secure(directory) as (cloud, link, keys):
            where = ("--cloud", cloud.url, "--keys", str(keys))
            what = ("app", "run", str(app), "--on", NODE, "--watch", *where)
            with Process(*what) as run:
                until(
                    lambda: any(line.endswith("  before") for line in run.lines), "it runs", WITHIN
                )
                for number in range(SAVES):
                    run.lines.clear()
                    before = link.carried
                    python_app(app, "sketch", main=SAYS.format(text=f"save {number}"))
                    run.wait_for_line(f"  save {number}$")
                    match = run.wait_for_line(r"running, ([0-9.]+) s after it was saved")
                    seconds.append(float(match[1]))
                    carried.append(link.carried - before)
        # The first save of a process pays for its imports and its connections.
        self._add(report, "from a save to running, signed, TLS", "s", tuple(seconds[1:]))
        self._add(report, "to and from the node for one save, TLS", "bytes", tuple(carried[1:]))


def _runs(agent: Agent, name: str) -> None:
    def running() -> bool:
        app = agent.app(name)
        return app is not None and app["state"] == "Running"

    until(running, f"{name} runs", WITHIN)


@contextmanager
def _secure(directory: Path) -> Iterator[tuple[Cloud, Link, Path]]:
    """A cloud with TLS and keys, and a node that joined it through a link that counts."""
    os.environ["SKERRY_CONTEXTS"] = str(directory / "contexts")
    keys = directory / "keys"
    skerry("keys", "init", keys=keys)
    with Cloud(directory / "cloud", secure=True) as cloud, Link(cloud.port) as link:
        token = skerry("token", "create", "--pattern", NODE, cloud=cloud.url).stdout.strip()
        trust = ("--trust-root", str(keys / "root.cose"))
        where = f"https://127.0.0.1:{link.port}"
        with Agent(NODE, where, directory / NODE, token=token, trust=trust) as agent:
            until(lambda: agent.status()["link"]["state"] == "Online", "the node is online")
            yield cloud, link, keys


def _built(directory: Path, name: str, text: str) -> Built:
    build(python_app(directory, name, main=SAYS.format(text=text)), find_runtime=python_runtime)
    return load(directory)


def _deploy(client: Client, directory: Path, name: str) -> None:
    app = _built(directory / "apps" / name, name, name)
    made = app_artifact(app.manifest_json, app.module, app.files)
    digest = push(client, Reference(name, "bench"), made)
    client.apply(app_object(name, name, digest))
