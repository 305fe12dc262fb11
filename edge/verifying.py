"""Asks a short-lived child for a verdict: what judges signatures never lives in the agent.

Loading `cryptography` costs the agent memory for good that a board needs once for each new
version of an app. The child reads one Question on standard input, writes one Answer, and dies.
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from edge.errors import RetryableError
from edge.trust.encoding import decode_struct, encode_struct
from edge.trust.errors import MalformedError, Reason
from edge.trust.manifest import ArtifactManifest, Kind, SignedFiles

TIMEOUT = 120.0
"""Seconds; it takes 0.1 s on a desk, a loaded Zero 2 W starts Python in some seconds."""
ROOTS_LIMIT = 32
"""Roots taken in at one time; a node that missed more asks again."""
QUESTION_LIMIT = 16 << 20
"""Bytes of a question: every root at its own limit."""
ANSWER_LIMIT = 64 << 10
_STDERR_TAIL = 300
_ENTRY = "from edge.verifier import main; main()"


class Question(Struct, frozen=True, kw_only=True):
    """Whether this may run, and which of these roots may follow the one that is held."""

    root: bytes
    """The root that is held, as it was signed."""
    newer: Annotated[list[bytes], Meta(max_length=ROOTS_LIMIT)] = field(
        default_factory=list[bytes]
    )
    """Roots that say they follow, in order."""
    signature: bytes
    kind: Kind
    name: str
    digest: str
    size: int
    version: int
    capabilities: list[str]
    now: int
    """A lower bound of the time, seconds since 1970."""
    files: SignedFiles | UnsetType = UNSET


class Answer(Struct, frozen=True, kw_only=True):
    """The verdict, given under the newest root that could be proven."""

    accepted_roots: int
    """How many of `newer` were proven."""
    root_problem: str = ""
    """Why the next one was not."""
    manifest: ArtifactManifest | None = None
    """What was signed; None when the artifact is refused."""
    reason: Reason | None = None
    message: str = ""


async def ask(question: Question) -> Answer:
    """The child's answer; RetryableError when it could not give one."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _ENTRY,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
        cwd="/",
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            output, errors = await child.communicate(encode_struct(question))
    except TimeoutError:
        raise RetryableError(f"judging the signature took longer than {TIMEOUT:g} s") from None
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    try:
        return decode_struct(output, Answer, "verdict", ANSWER_LIMIT)
    except MalformedError:
        last = errors.decode(errors="replace").strip()[-_STDERR_TAIL:]
        raise RetryableError(
            f"the signature could not be judged (status {child.returncode}): {last}"
        ) from None


def _environment() -> dict[str, str]:
    """Nothing of ours but where to find modules."""
    return {"PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)}
