"""Runs `edge.identity.worker` and waits for its answer."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from edge.identity.errors import WorkerError

TIMEOUT = 60.0
"""Seconds: importing `cryptography` from a slow card takes most of it."""
_ENTRY = "from edge.identity.worker import main; main()"
_TAIL = 500
"""Characters of a child's last words."""


async def work(verb: str, *arguments: str | Path, said: object = None) -> dict[str, Any]:
    """What the worker answers; raises WorkerError."""
    search = os.pathsep.join(map(os.path.abspath, sys.path))
    # Not `-m`: our packages may be extension modules, which have no code for it to run.
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _ENTRY, verb, *map(str, arguments)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": search},
        cwd="/",
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            output, errors = await child.communicate(msgspec.json.encode(said or {}))
    except TimeoutError:
        raise WorkerError(f"{verb}: the child took longer than {TIMEOUT:g} s") from None
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    if child.returncode:
        raise WorkerError(f"{verb}: {errors.decode(errors='replace').strip()[-_TAIL:]}")
    return msgspec.json.decode(output, type=dict[str, Any])
