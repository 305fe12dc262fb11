"""The agent's memory: a real agent with a live session and zero, one and ten apps, settled.

PSS shares a page among all who map it, so it falls when other Python programs run beside it; RSS
counts it whole and bounds what the agent has alone on a board. Both are shown.
"""

import json
import subprocess
import tempfile
from pathlib import Path

from cloud.client.api import Client
from tests.bench.desk import Watch, app_object, push_app
from tests.bench.node import THERMOMETER, App
from tests.bench.processes import MB, OPTIMIZED, ROOT, Agent, BenchError, Cloud, settled_kb
from tests.bench.report import Figure, Report

NODE = "bench"
ROUNDS = 3
COUNTS = (0, 1, 10)
SENSORS = 10
Memory = dict[int, dict[str, int]]
"""By number of apps: the lines of smaps_rollup, KiB."""
KINDS = {"Pss": "PSS", "Rss": "RSS", "Anonymous": "anonymous"}


class AgentMemory:
    """Agents one after the other, each with zero, one, then ten thermometers."""

    name = "memory"

    def run(self, report: Report) -> None:
        """MiB by number of apps, then what the imports cost."""
        app = App.build(THERMOMETER)
        with (
            tempfile.TemporaryDirectory(prefix="skerry-bench-") as name,
            Cloud(Path(name) / "cloud") as cloud,
            Client(cloud.url) as client,
        ):
            directory = Path(name)
            board = directory / "board.toml"
            board.write_text(_board())
            digest = push_app(client, app, "bench")
            rounds = [
                _measure(cloud.url, client, digest, directory, board, index)
                for index in range(ROUNDS + 1)  # the first compiles what the others find cached
            ][1:]
        self._add(report, rounds)
        for name, kilobytes in _imports():
            title = f"  import: {name}"
            report.add(Figure(self.name, title, "MiB", (kilobytes / MB,), "", "PSS added"))

    def _add(self, report: Report, rounds: list[Memory]) -> None:
        for count in COUNTS:
            for kind, shown in KINDS.items():
                values = tuple(round_[count][kind] / MB for round_ in rounds)
                target = "< 40" if (kind, count) == ("Pss", 1) else ""
                name = f"agent {shown}, {count} app{'s' * (count != 1)}"
                report.add(Figure(self.name, name, "MiB", values, target))


def _measure(
    url: str, client: Client, digest: str, directory: Path, board: Path, index: int
) -> Memory:
    """Memory by number of apps, of an agent of its own."""
    name = f"{NODE}-{index}"
    with Agent(name, url, directory / name, board=board, labels=[f"bench={name}"]) as agent:
        found: Memory = {}
        watch = Watch(url)
        running = 0
        for count in COUNTS:
            for number in range(running, count):
                spec = {
                    "grants": {"probe": f"i2c-1:{0x40 + number:#04x}"},
                    "selector": {"matchLabels": {"bench": name}},
                }
                app = f"{name}-app-{number}"
                client.apply(app_object(app, "thermometer", digest, **spec))
                watch.running(app)
            running = count
            agent.until_drained()
            found[count] = settled_kb(agent.pid)
        return found


def _board() -> str:
    devices = "\n".join(
        f'[[i2c.i2c-1.devices]]\nmodel = "tmp105"\naddress = {0x40 + number:#04x}'
        for number in range(SENSORS)
    )
    return f'name = "bench"\n[i2c.i2c-1]\nkind = "sim"\n{devices}\n'


def _imports() -> list[tuple[str, int]]:
    """(what, KiB) of the agent's imports, one after the other in a process of their own."""
    argv = (*OPTIMIZED, "-m", "tests.bench.imports")
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"imports: {done.stderr.strip().splitlines()[-1:]}")
    found: list[tuple[str, int]] = json.loads(done.stdout)
    return found
