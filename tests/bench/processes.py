"""Processes of a bench: the real `skerry`, optimised as an image runs it, and others by argv."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support import system

ROOT = system.ROOT
OPTIMIZED = (sys.executable, "-OO")
"""No assertions, no docstrings."""
POLL = 0.02
STOP_TIMEOUT = 10.0
MB = 1024
"""KiB; memory is shown in MiB, as the anchors are."""


class BenchError(Exception):
    """A measurement could not be made; the text says why."""


class Cloud(system.Cloud):
    """`skerry cloud`."""

    python = OPTIMIZED


class Agent(system.Agent):
    """`skerry agent`."""

    python = OPTIMIZED


def keep_bytecode() -> None:
    """Let children find compiled modules, as an image has them.

    Compiling from source at each start would cost each child 14 MB that it never gives back.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(ROOT / ".cache" / "bytecode")


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until(
    true: Callable[[], bool],
    what: str,
    within: float,
    *,
    alive: subprocess.Popen[str] | None = None,
) -> None:
    """Return once `true()`; BenchError names `what` after `within` seconds or a death."""
    deadline = time.monotonic() + within
    while not true():
        if alive is not None and alive.poll() is not None:
            raise BenchError(f"{what}: the process ended with {alive.returncode}")
        if time.monotonic() > deadline:
            raise BenchError(f"{what}: not within {within:g} s")
        time.sleep(POLL)


def listens(port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def process(argv: Sequence[str], log: Path) -> Iterator[subprocess.Popen[str]]:
    """A child in a session of its own, whose output goes to `log`; ended with the block."""
    with log.open("a") as output:
        child = subprocess.Popen(
            argv,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    try:
        yield child
    finally:
        stop(child)


def stop(child: subprocess.Popen[str]) -> None:
    """SIGTERM, and SIGKILL for one that does not go."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def memory_kb(pid: int | str) -> dict[str, int]:
    """The lines of /proc/PID/smaps_rollup, in KiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {
        name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)
    }


def settled_kb(pid: int, settle: float = 3.0, within: float = 60.0) -> dict[str, int]:
    """Memory once its PSS has moved less than 1 % for `settle` seconds."""
    deadline = time.monotonic() + within
    found = memory_kb(pid)
    since = time.monotonic()
    while time.monotonic() - since < settle and time.monotonic() < deadline:
        time.sleep(0.5)
        now = memory_kb(pid)
        if abs(now["Pss"] - found["Pss"]) > found["Pss"] / 100:
            since, found = time.monotonic(), now
    return memory_kb(pid)
