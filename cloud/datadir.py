"""A service's directory: one process at a time, because much of the state is also in its memory."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from cloud.errors import DataInUse

_NUMBER_BYTES = 20


@contextmanager
def held(directory: Path) -> Generator[None]:
    """Make the directory and keep others out until the context ends; raises DataInUse, OSError.

    The kernel drops the lock with the process, however it ends.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(directory / "cloud.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(lock, _NUMBER_BYTES).decode(errors="replace").strip()
            raise DataInUse(
                f"{directory}: process {owner or 'unknown'} serves this directory; stop it, or "
                "give another one: --data DIRECTORY"
            ) from None
        os.truncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        yield
    finally:
        os.close(lock)
