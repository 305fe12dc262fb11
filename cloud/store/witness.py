"""Who looks on when something is written: the audit of a request, inside the write's transaction.

Rules: whoever serves a request sets WITNESS for its task; a store reads it when a write is asked
for and calls it in the writer's thread, so that the deed and its record are kept or lost together.
An exception of the witness undoes the write. Controllers have none: they only follow what was
witnessed before.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from msgspec import Struct
from sqlalchemy import Connection


@dataclass(frozen=True)
class Deed:
    """One thing written: as it was and as it is, each None where it was not there; no secrets."""

    kind: str
    """Plural."""
    namespace: str
    name: str
    before: Struct | None
    after: Struct | None


Witness = Callable[[Connection, Deed], None]

WITNESS: ContextVar[Witness | None] = ContextVar("witness", default=None)


def witness_of_task() -> Witness:
    """Who looks on here; asked in the request's task, called in the writer's thread."""
    return WITNESS.get() or _nobody


def _nobody(_: Connection, __: Deed) -> None:
    """A write that no request asked for."""
