"""Apps in Python: size of the runtime, its start, what an instance takes, and how fast it computes.

The same program runs in the guest, on the same port built for this machine, and on CPython.
"""

import lzma
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter

from boards.python_guest import native, runtime
from edge.sandbox.engine import Engine
from tests.bench.processes import BenchError
from tests.bench.report import Figure, Report, percentile
from tests.support.guests import Node, Running, Services
from tests.support.python_app import CACHE, MEMORY

ROUNDS = 3
STARTS = 50
INSTANCES = 30
WORK = Path(__file__).parent / "guests" / "python" / "main.py"
KIB = 1024.0
_PARKED = "import time\nprint('here')\ntime.sleep(3600)"


class Python:
    """The runtime itself, and what runs in it."""

    name = "python"

    def run(self, report: Report) -> None:
        """Size, start, memory, then work in milliseconds."""
        module = runtime(CACHE, print).read_bytes()
        self._size(report, module)
        engine = Engine()
        try:
            with tempfile.TemporaryDirectory(prefix="skerry-bench-") as name:
                node = Node(engine, Path(name))
                node.limits = {"memory": MEMORY, "cpu_share": 1.0, "cpu_budget": 100.0}
                self._start(report, node, module)
                self._memory(report, node, module)
                self._work(report, node, module)
        finally:
            engine.close()

    def _size(self, report: Report, module: bytes) -> None:
        for what, data in (("", module), (", xz", lzma.compress(module))):
            report.add(Figure(self.name, f"runtime{what}", "KiB", (len(data) / KIB,)))

    def _start(self, report: Report, node: Node, module: bytes) -> None:
        for what, source in (
            ("print", "print(1)"),
            ("import skerry, machine", "import skerry, machine\nprint(1)"),
            ("import skerry, asyncio", "import asyncio, skerry\nprint(1)"),
        ):
            rounds = [
                [_first_line(node, module, source) for _ in range(STARTS)]
                for _ in range(ROUNDS + 1)
            ][1:]
            values = tuple(percentile(times, 0.5) * 1000 for times in rounds)
            title = f"mapped code to first line, {what}"
            report.add(Figure(self.name, title, "ms", values, "", f"p50 of {STARTS} starts"))

    def _memory(self, report: Report, node: Node, module: bytes) -> None:
        with_one: list[Running] = []
        _park(node, module, with_one, 1)
        before = _private_kib()
        running: list[Running] = []
        _park(node, module, running, INSTANCES)
        each = (_private_kib() - before) / INSTANCES
        for guest in (*with_one, *running):
            guest.guest.stop(5)
            guest.end()
        note = f"private memory of the process, {INSTANCES} more that sleep, threads included"
        report.add(Figure(self.name, "an instance more", "KiB", (each,), "", note))

    def _work(self, report: Report, node: Node, module: bytes) -> None:
        source = WORK.read_text()
        program = str(native(CACHE, print))
        ways: dict[str, Callable[[], Mapping[str, float]]] = {
            "guest": lambda: _in_the_guest(node, module, source),
            "native": lambda: _times(_outcome([program], source)),
            "CPython": lambda: _times(_outcome([sys.executable, "main.py"], source)),
        }
        found = {way: [measure() for _ in range(ROUNDS)] for way, measure in ways.items()}
        for work in found["guest"][0]:
            for way, rounds in found.items():
                values = tuple(times[work] for times in rounds)
                report.add(Figure(self.name, f"{work}, {way}", "ms", values))


class _Hearing(Services):
    """Remembers when the first line came."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = 0.0

    def log(self, level: int, text: str) -> None:
        self.heard = self.heard or perf_counter()
        super().log(level, text)


def _first_line(node: Node, module: bytes, source: str) -> float:
    """Seconds from the decision to run to its first line in the log."""
    services = _Hearing()
    node.services = services
    guest = node.guest(module, files={"main.py": source.encode()})
    began = perf_counter()
    guest.run()
    return services.heard - began


def _park(node: Node, module: bytes, running: list[Running], count: int) -> None:
    for _ in range(count):
        node.services = Services()
        running.append(Running(node.guest(module, files={"main.py": _PARKED.encode()})))
        node.services.wait_for_line("here")


def _private_kib() -> int:
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return sum(
        int(line.split()[1])
        for line in rollup.splitlines()
        if line.startswith(("Private_Dirty:", "Private_Clean:"))
    )


def _in_the_guest(node: Node, module: bytes, source: str) -> Mapping[str, float]:
    node.services = Services()
    guest = node.guest(module, files={"main.py": source.encode()})
    end = Running(guest).end(timeout=300)
    if end.code != 0:
        raise BenchError(f"the work ended as {end}")
    return _times("\n".join(text for _, text in node.services.lines))


def _outcome(command: list[str], source: str) -> str:
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "main.py").write_text(source)
        done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=True)
    return done.stdout


def _times(said: str) -> Mapping[str, float]:
    return {name: float(ms) for name, ms in (line.split() for line in said.splitlines())}
