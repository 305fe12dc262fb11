"""Processes of a bench: started with argv, waited for with a deadline, ended for certain."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OPTIMIZED = (sys.executable, "-OO")
"""As an image runs it: no assertions, no docstrings."""
POLL = 0.02
STOP_TIMEOUT = 10.0


class BenchError(Exception):
    """A measurement could not be made; the text says why."""


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
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
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


@contextmanager
def cloud(directory: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`skerry cloud` with an empty database: its URL and process."""
    port = free_port()
    argv = (*OPTIMIZED, "-m", "skerry", "cloud")
    argv += ("--listen", f"127.0.0.1:{port}", "--data", str(directory / "cloud"))
    with process(argv, directory / "cloud.log") as child:
        wait_until(
            lambda: listens(port),
            _described("the cloud", directory / "cloud.log"),
            30.0,
            alive=child,
        )
        yield f"http://127.0.0.1:{port}", child


@contextmanager
def agent(directory: Path, url: str, name: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`skerry agent` with its state in `directory`/`name`."""
    argv = (*OPTIMIZED, "-m", "skerry", "agent", "--name", name, "--cloud", url)
    argv += ("--state", str(directory / name), *options)
    with process(argv, directory / f"{name}.log") as child:
        yield child


def pss_kb(pid: int) -> int:
    """Proportional set size of a process in KiB."""
    return memory_kb(pid)["Pss"]


def memory_kb(pid: int) -> dict[str, int]:
    """The lines of /proc/PID/smaps_rollup, in KiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {
        name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)
    }


def _described(what: str, log: Path) -> str:
    return f"{what} (see {log})"
