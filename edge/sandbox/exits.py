"""How the run of an app ended."""

from dataclasses import dataclass
from enum import Enum


class ExitKind(Enum):
    """Why a run ended; docs/guest-abi.md says when each applies."""

    EXITED = "Exited"
    TRAPPED = "Trapped"
    OUT_OF_BUDGET = "OutOfBudget"
    OUT_OF_MEMORY = "OutOfMemory"
    HUNG = "Hung"
    STOPPED = "Stopped"
    """It was asked to stop and did, by itself or by force."""
    FAILED = "Failed"
    """It could not start, or the sandbox itself failed it."""


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of one run."""

    kind: ExitKind
    code: int | None = None
    """What `main` returned or `proc_exit` was given; None when it did neither."""
    message: str = ""
    """For a person: what happened, and where."""
