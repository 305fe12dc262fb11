"""A process that appends is killed at random moments; what its calls returned must be there."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from edge.store import Store
from edge.wire.manifest import Durability
from tests.support.stores import held, payloads

SEED = 20261123
KILLS = 10
LINES_LIMIT = 400
"""Confirmed calls after which a process is killed at the latest."""

APPENDER = """
import os, sys, threading
from pathlib import Path
from edge.store import Store
from edge.wire.manifest import Durability, OnFull

directory, durability, life = Path(sys.argv[1]), Durability(sys.argv[2]), sys.argv[3]
store = Store.open(directory, runtime=directory / "run", sync_interval=0.005)

def publish(app):
    for number in range(1_000_000):
        pack = f"{life} {app} {number}"
        store.outbox.append(
            app, "s", number, pack.encode() + bytes(number * 7919 % 5000), 1,
            durability=durability, on_full=OnFull.DROP_OLDEST,
        )
        os.write(1, pack.encode() + b"\\n")

for app in ("a", "b"):
    threading.Thread(target=publish, args=(app,)).start()
"""


@pytest.mark.parametrize("durability", list(Durability))
def test_every_call_that_returned_is_there_exactly_once_and_in_order(
    tmp_path: Path, durability: Durability
) -> None:
    moments = random.Random(SEED)
    returned: list[str] = []
    for life in range(KILLS):
        returned += _append_until_killed(tmp_path, durability, life, moments)
    with Store.open(tmp_path, runtime=tmp_path / "run") as store:
        stored = [pack.rstrip(b"\0").decode() for pack in payloads(held(store))]
    assert len(returned) > KILLS
    assert max(Counter(stored).values()) == 1
    assert set(returned) <= set(stored)
    # At most the one call of each thread that was cut off is there without having returned.
    assert len(stored) - len(returned) <= 2 * KILLS
    for life in range(KILLS):
        for app in ("a", "b"):
            numbers = [
                int(pack.split()[2]) for pack in stored if pack.startswith(f"{life} {app} ")
            ]
            assert numbers == list(range(len(numbers)))


def _append_until_killed(
    directory: Path, durability: Durability, life: int, moments: random.Random
) -> list[str]:
    """The calls that returned before SIGKILL, which comes at a random one, mid-flight."""
    last = moments.randrange(1, LINES_LIMIT)
    arguments = [sys.executable, "-c", APPENDER, str(directory), durability.value, str(life)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        output = process.stdout.fileno()
        seen = b""
        while seen.count(b"\n") < last:
            chunk = os.read(output, moments.randrange(64, 4096))
            assert chunk, "the appender ended by itself"
            seen += chunk
        process.send_signal(signal.SIGKILL)
        while chunk := os.read(output, 65536):
            seen += chunk
    assert seen.endswith(b"\n")
    return seen.decode().splitlines()
