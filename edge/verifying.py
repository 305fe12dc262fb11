"""Asks a short-lived child for a verdict: what judges signatures never lives in the agent.

Loading `cryptography` costs the agent memory for good that a board needs once for each new
version of an app. The child reads one Question on standard input, writes one Answer, and dies. To
start it is most of what a verdict takes: while somebody tries version after version, the next
child waits, with all loaded, for the next question.
"""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import Process
from pathlib import Path

from edge.errors import RetryableError
from edge.trust.encoding import decode_struct, encode_struct
from edge.trust.errors import MalformedError
from edge.verdict import ANSWER_LIMIT, Answer, Question

TIMEOUT = 120.0
"""Seconds; it takes 0.1 s on a desk, a loaded Zero 2 W starts Python in some seconds."""
SOON = 300.0
"""Seconds between two questions within which another is likely, and how long a child waits for it:
a person who writes a program saves it more often. It takes a board some 10 MB meanwhile."""
LATER = 1.0
"""Seconds from a verdict until the next child is started: the app that it is about goes first."""
_STDERR_TAIL = 300
_ENTRY = "from edge.verifier import main; main()"


async def ask(question: Question) -> Answer:
    """The answer of a new child; RetryableError when it could not give one."""
    return await _answer(await _start(), question)


class Judges:
    """Children that judge, one question each. One owner; one question at a time."""

    def __init__(self, soon: float = SOON, later: float = LATER, patience: float = SOON) -> None:
        self._soon = soon
        self._later = later
        self._patience = patience
        self._last: float | None = None
        self._waiting: Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int | None:
        """Process id of a child that waits for a question."""
        return self._waiting.pid if self._waiting is not None else None

    async def ask(self, question: Question) -> Answer:
        """A child's answer; RetryableError when it could not give one."""
        child, self._waiting = self._waiting, None
        await self._stop_keeping()
        if child is None or child.returncode is not None:
            child = await _start()
        try:
            return await _answer(child, question)
        finally:
            now = asyncio.get_running_loop().time()
            if self._last is not None and now - self._last < self._soon:
                self._keeping = asyncio.create_task(self._keep())
            self._last = now

    async def close(self) -> None:
        """End what waits."""
        await self._stop_keeping()
        self._dismiss()
        if self._ending is not None:
            await self._ending

    async def _keep(self) -> None:
        """Have a child wait for as long as another question is likely."""
        await asyncio.sleep(self._later)
        self._waiting = await _start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._waiting.wait()
        self._dismiss()

    async def _stop_keeping(self) -> None:
        task, self._keeping = self._keeping, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _dismiss(self) -> None:
        """In a task of its own, which nobody cancels: a child is waited for to its end."""
        child, self._waiting = self._waiting, None
        if child is not None:
            self._ending = asyncio.create_task(_end(child))


async def _start() -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _ENTRY,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
        cwd="/",
    )


async def _answer(child: Process, question: Question) -> Answer:
    try:
        async with asyncio.timeout(TIMEOUT):
            output, errors = await child.communicate(encode_struct(question))
    except TimeoutError:
        raise RetryableError(f"judging the signature took longer than {TIMEOUT:g} s") from None
    finally:
        await _end(child)
    try:
        return decode_struct(output, Answer, "verdict", ANSWER_LIMIT)
    except MalformedError:
        last = errors.decode(errors="replace").strip()[-_STDERR_TAIL:]
        raise RetryableError(
            f"the signature could not be judged (status {child.returncode}): {last}"
        ) from None


async def _end(child: Process) -> None:
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        # Its pipes, too: nobody else closes them.
        await child.communicate()


def _environment() -> dict[str, str]:
    """Nothing of ours but where to find modules."""
    return {"PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)}
