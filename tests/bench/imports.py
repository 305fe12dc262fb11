"""What the agent's imports cost, one after the other: `python -OO -m tests.bench.imports`.

Each costs what the ones before it have not brought in already, so the order is part of the answer.
"""

import importlib
import json
import sys
from pathlib import Path

STEPS = ("ssl", "asyncio", "msgspec", "cbor2", "lmdb", "wsproto", "wasmtime", "edge.agent")


def _pss_kb() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def main() -> None:
    steps = [("the interpreter", _pss_kb())]
    for name in STEPS:
        before = _pss_kb()
        importlib.import_module(name)
        steps.append((name, _pss_kb() - before))
    json.dump(steps, sys.stdout)


if __name__ == "__main__":
    main()
