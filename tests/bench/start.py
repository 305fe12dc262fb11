"""Cold start of an app whose code is in the cache: from the decision to its first host call.

Counted: the cache's check, a thread, mapping the code, linking, instantiating, and the thermometer's
own first steps until it opens its sensor.
"""

import threading
from time import perf_counter

from edge.sandbox.setup import I2CGrant
from hal.i2c import I2CDevice
from hal.sim.board import SimBoard
from tests.bench.node import THERMOMETER, App, BenchNode, bench_node
from tests.bench.processes import BenchError
from tests.bench.report import Figure, Report, percentile

ROUNDS = 5
STARTS = 100
"""Starts of one round; the first round warms up and is not counted."""
FIRST_CALL_WITHIN = 10.0


class Start:
    """Starts of the thermometer, one after the other."""

    name = "start"

    def run(self, report: Report) -> None:
        """p50 and p99 of each round, in milliseconds."""
        app = App.build(THERMOMETER)
        with bench_node() as node:
            node.code(app)
            rounds = [[_start(node, app) for _ in range(STARTS)] for _ in range(ROUNDS + 1)][1:]
        for share, target in ((0.50, "< 5"), (0.99, "")):
            values = tuple(percentile(times, share) * 1000 for times in rounds)
            report.add(
                Figure(
                    self.name,
                    f"cold start p{share * 100:.0f}",
                    "ms",
                    values,
                    target,
                    f"rounds of {STARTS} starts of the thermometer, code cached",
                )
            )


def _start(node: BenchNode, app: App) -> float:
    """Seconds from the decision to start to the first use of hardware."""
    board = SimBoard()
    board.add_bus("i2c-1")
    board.add_device("i2c-1", 0x48, "tmp105")
    reached = threading.Event()
    moments: list[float] = []

    def first_call() -> I2CDevice:
        moments.append(perf_counter())
        reached.set()
        return board.open_i2c("i2c-1", 0x48)

    began = perf_counter()
    guest = node.guest(app, node.code(app), {"probe": I2CGrant(first_call)})
    thread = guest.start(lambda _: None)
    if not reached.wait(FIRST_CALL_WITHIN):
        raise BenchError("the thermometer does not open its sensor")
    guest.stop(1.0)
    thread.join()
    board.close()
    return moments[0] - began
