"""One maker at a time: sessions that share a cache wait for each other instead of fetching twice."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def making(cache: Path) -> Generator[None]:
    """Hold `cache` while the block runs; the kernel lets go of it when a holder dies."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
