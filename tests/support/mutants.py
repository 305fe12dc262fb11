"""Damaged bytecode: `python -m tests.support.mutants COUNT [SEED]` runs that many in the sandbox."""

import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from boards.micropython import tree
from edge.sandbox.engine import Engine
from edge.sandbox.exits import ExitKind
from tests.support.guests import Node, Services
from tests.support.python_app import CACHE, python


def compiled(directory: Path) -> bytes:
    """A program as `.mpy` that has a bit of everything."""
    source = directory / "hostile.py"
    source.write_text(
        """
import json
class App:
    count = 0
    def step(self, *more, key=None, **named):
        self.count += 1
        try:
            return [x * 2.5 for x in range(5) if x % 2], {"n": self.count, "k": key}, 1 << 80
        finally:
            more = None
def many():
    for at in range(3):
        got = yield at
        yield from (at, got)
def outer(a, b=3):
    def inner(c):
        nonlocal a
        a += c
        return lambda d: (a, b, c, d)
    return inner(4)(5)
app = App()
print(json.dumps(app.step(1, key="x")[1]), list(many()), outer(1), b"bytes", "%s" % app.count)
with open("/app/main.mpy", "rb") as file:
    assert len(file.read()) > 10
"""
    )
    made = directory / "main.mpy"
    compiler = tree(CACHE, print) / "mpy-cross/build/mpy-cross"
    subprocess.run([compiler, "-o", made, source], check=True)
    return made.read_bytes()


def mutants(original: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Copies with one to five bytes changed behind the header, or cut short."""
    chance = random.Random(seed)
    for _ in range(count):
        changed = bytearray(original)
        for _ in range(chance.choice((1, 1, 2, 5))):
            changed[chance.randrange(4, len(changed))] = chance.randrange(256)
        if chance.random() < 0.05:
            del changed[chance.randrange(4, len(changed)) :]
        yield bytes(changed)


def main() -> int:
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2
    ends: Counter[str] = Counter()
    engine = Engine()
    with tempfile.TemporaryDirectory() as name:
        node = Node(engine, Path(name))
        node.limits = {"cpu_budget": 0.2, "cpu_share": 1.0, "log_rate": 10000}
        for mutant in mutants(compiled(Path(name)), count, seed):
            node.services = Services()
            end = node.run(**python(node, **{"main.mpy": mutant}))
            ends[end.kind.value] += 1
            if end.kind is ExitKind.FAILED:
                print(end, mutant.hex())
    print(dict(ends))
    return ends[ExitKind.FAILED.value] > 0


if __name__ == "__main__":
    sys.exit(main())
