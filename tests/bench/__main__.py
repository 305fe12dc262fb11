"""`make bench`: speed and memory, beside a peer where there is one.

`python -m tests.bench [NAME...]` runs all or some. Each figure is measured in that run; the table
is printed and kept as JSON in `.cache/bench.json`. Exit code 1: something could not be measured.
"""

import argparse
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Protocol

from tests.bench.processes import ROOT, BenchError, keep_bytecode
from tests.bench.report import Report, machine

RESULT = ROOT / ".cache" / "bench.json"


APART = (
    *("board", "board-trust", "flash", "firmware", "firmware-update", "python-board"),
    "python-sizes",
)
"""Only by name (`make bench-board`): machines are booted, or a tool fetched; that takes minutes."""


class Bench(Protocol):
    """Something that can be measured."""

    def run(self, report: Report) -> None:
        """Measure and add figures."""
        ...


BENCHES = {
    "peer": ("tests.bench.peer:Peer", "mosquitto QoS 1 into SQLite, the same records"),
    "start": ("tests.bench.start:Start", "cold start of an app, code cached"),
    "calls": ("tests.bench.calls:Calls", "what a host call costs"),
    "python": ("tests.bench.python:Python", "apps in Python: size, start, memory, speed"),
    "durable": ("tests.bench.durable:Durable", "app call to SQLite commit and ack"),
    "deploy": ("tests.bench.deploy:Deploy", "from the API to a running app"),
    "offline": ("tests.bench.offline:Offline", "from a process without network to a running app"),
    "memory": ("tests.bench.memory:AgentMemory", "the agent with zero, one and ten apps"),
    "python-apps": (
        "tests.bench.python_apps:PythonApps",
        "one more app in Python, and from a save to running",
    ),
    "python-board": (
        "tests.bench.python_board:PythonBoard",
        "an emulated board: from a save to the first line of an app in Python",
    ),
    "python-sizes": (
        "tests.bench.python_sizes:PythonSizes",
        "the thermostat in C, in Python and as a component",
    ),
    "signing": ("tests.bench.signing:Signing", "judging the signature of an app"),
    "board": ("tests.bench.board:BoardBench", "an emulated board: memory, boot, image"),
    "board-trust": (
        "tests.bench.board_trust:BoardTrust",
        "an emulated board: joining, and judging an artifact",
    ),
    "firmware": (
        "tests.bench.firmware:Firmware",
        "an attached microcontroller, emulated: round trips, reports, boot, memory",
    ),
    "flash": ("tests.bench.flash:Flash", "skerry flash beside dd"),
    "firmware-update": (
        "tests.bench.firmware_update:FirmwareUpdate",
        "an emulated microcontroller: updated over its link, and rolled back",
    ),
    "fleet": ("tests.bench.fleet:Fleet", "the cloud with 1,000 hollow nodes"),
    "trust": ("tests.bench.trust:Trust", "joining, handshakes, renewals, and TLS in memory"),
}


def main() -> int:
    names = _names()
    keep_bytecode()
    report = Report()
    failed = False
    for number, name in enumerate(names, 1):
        where, about = BENCHES[name]
        print(f"[{number}/{len(names)}] {name}: {about}", flush=True)
        started = time.monotonic()
        try:
            _load(where)().run(report)
        except (BenchError, AssertionError) as error:
            failed = True
            report.leave_out(f"{name}: {error}")
        print(f"   ({time.monotonic() - started:.0f} s)", flush=True)
    found = machine()
    print("\n" + report.table() + "\n")
    for what, text in found.items():
        print(f"{what + ':':<10} {text}")
    report.save(RESULT, found)
    print(f"{'kept in:':<10} {RESULT.relative_to(ROOT)}")
    return int(failed)


def _names() -> list[str]:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    chosen: list[str] = parser.parse_args().names
    unknown = sorted(set(chosen) - BENCHES.keys())
    if unknown:
        parser.error(f"{', '.join(unknown)}: not one of {', '.join(BENCHES)}")
    return chosen or [name for name in BENCHES if name not in APART]


def _load(where: str) -> Callable[[], Bench]:
    module, _, name = where.partition(":")
    loaded: Callable[[], Bench] = getattr(import_module(module), name)
    return loaded


if __name__ == "__main__":
    sys.exit(main())
