"""What the agent and a child that judges signatures say to each other; see `edge.verifying`.

Apart, because each of the two loads much that the other has no need of.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from edge.trust.errors import Reason
from edge.trust.manifest import ArtifactManifest, Kind, SignedFiles

ROOTS_LIMIT = 32
"""Roots taken in at one time; a node that missed more asks again."""
QUESTION_LIMIT = 16 << 20
"""Bytes of a question: every root at its own limit."""
ANSWER_LIMIT = 64 << 10


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
