"""What one host call costs, seen by the app: a C guest times batches of calls by itself.

Both sides of the border are in it: leaving WebAssembly, ctypes, the checks, the work, the return.
"""

from statistics import median

from tests.bench.node import GUESTS, App, bench_node
from tests.bench.report import Figure, Report

NAMES = {
    "clock": "host call: clock (does nothing)",
    "log": "host call: log a line",
    "kv-get": "host call: key-value get",
    "kv-set": "host call: key-value set (on disk)",
    "publish-relaxed": "host call: publish 1 record, relaxed",
    "publish-synced": "host call: publish 1 record, synced (on disk)",
}
ROUNDS = 3


class Calls:
    """Each kind of host call, in microseconds; p50 of 30 batches in each round."""

    name = "calls"

    def run(self, report: Report) -> None:
        """One run of the guest a round."""
        app = App.build(GUESTS / "calls")
        rounds = [_measure(app) for _ in range(ROUNDS)]
        for kind, name in NAMES.items():
            values = tuple(round_[kind] / 1000 for round_ in rounds)
            report.add(Figure(self.name, name, "µs", values))


def _measure(app: App) -> dict[str, float]:
    """Median nanoseconds by kind."""
    with bench_node() as node:
        lines = [line.split() for line in node.run(app) if line != "a line"]
    return {kind: median(float(ns) for name, ns in lines if name == kind) for kind in NAMES}
