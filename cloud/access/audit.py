"""The audit log: who did what, from where, what it was before and after; append-only, bounded.

Rules: rows are written inside the transaction of the deed where there is one. Secrets never get
here: a kind shows its objects without them, and tokens are named by the digits of their hash.
What is kept is bounded by age and by number of rows; the oldest go first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Connection

from cloud.access.policy import Action
from cloud.access.principal import Identity
from cloud.access.schema import AUDIT
from cloud.store.database import Database
from cloud.store.witness import Deed

STATE_LIMIT = 16 << 10
"""Characters kept of a state; an App has a few hundred."""
ROWS_LIMIT = 200_000
"""Rows kept: with two states of 1 KiB each about 500 MB at most."""
AGE_NS = 400 * 24 * 3600 * 10**9
"""Kept so long: more than a year."""
PAGE_LIMIT = 1000
"""Rows in one answer."""
SWEEP_CHUNK = 2000
"""Rows removed in one write."""

_encode = msgspec.json.Encoder(order="deterministic").encode


class Record(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One line of the log as it is shown."""

    id: int
    time_ns: int
    actor_kind: str
    actor: str
    token: str
    address: str
    verb: str
    kind: str
    namespace: str
    name: str
    code: int
    reason: str = ""
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks for what, from which address."""

    identity: Identity
    action: Action
    address: str


@dataclass(frozen=True, slots=True)
class Which:
    """Which records; empty fields do not matter."""

    actor: str = ""
    verb: str = ""
    kind: str = ""
    name: str = ""
    after: int = 0
    """Only records with a higher id."""
    limit: int = 100


def record_deed(connection: Connection, origin: Origin, deed: Deed, now_ns: int) -> None:
    """Add what was done, inside its transaction."""
    row = _row(origin, now_ns, code=200)
    states = {"before": _state(deed.before), "after": _state(deed.after)}
    place = {"kind": deed.kind, "namespace": deed.namespace, "name": deed.name}
    connection.execute(sa.insert(AUDIT), row | place | states)


def record_outcome(
    connection: Connection, origin: Origin, now_ns: int, *, code: int, reason: str
) -> None:
    """Add what became of a request that wrote nothing, or not into this database."""
    row = _row(origin, now_ns, code=code) | {"reason": reason[:STATE_LIMIT]}
    connection.execute(sa.insert(AUDIT), row)


def records(connection: Connection, which: Which) -> list[Record]:
    """The newest that match, oldest first; with `after` the oldest after it."""
    query = sa.select(AUDIT)
    for column, wanted in (
        (AUDIT.c.actor, which.actor),
        (AUDIT.c.verb, which.verb),
        (AUDIT.c.kind, which.kind),
        (AUDIT.c.name, which.name),
    ):
        if wanted:
            query = query.where(column == wanted)
    if which.after:
        query = query.where(AUDIT.c.id > which.after).order_by(AUDIT.c.id)
    else:
        query = query.order_by(AUDIT.c.id.desc())
    rows = connection.execute(query.limit(min(which.limit, PAGE_LIMIT))).mappings()
    found = [Record(**row) for row in rows]
    return found if which.after else found[::-1]


async def sweep(
    database: Database, now_ns: int, *, rows: int = ROWS_LIMIT, age_ns: int = AGE_NS
) -> int:
    """Forget what is past its bounds; how many records."""

    def last_to_go(connection: Connection) -> int:
        newest = connection.execute(sa.select(sa.func.max(AUDIT.c.id))).scalar_one() or 0
        old = sa.select(sa.func.max(AUDIT.c.id)).where(AUDIT.c.time_ns < now_ns - age_ns)
        return max(newest - rows, connection.execute(old).scalar_one() or 0)

    last = await database.read(last_to_go)
    removed = 0
    while gone := await database.write(lambda connection: _remove(connection, last)):
        removed += gone
    return removed


def _remove(connection: Connection, last: int) -> int:
    chunk = sa.select(AUDIT.c.id).where(AUDIT.c.id <= last).limit(SWEEP_CHUNK)
    return int(connection.execute(sa.delete(AUDIT).where(AUDIT.c.id.in_(chunk))).rowcount)


def _row(origin: Origin, now_ns: int, *, code: int) -> dict[str, str | int]:
    principal, action = origin.identity.principal, origin.action
    return {
        "time_ns": now_ns,
        "actor_kind": principal.kind,
        "actor": principal.name,
        "token": origin.identity.token,
        "address": origin.address,
        "verb": action.verb,
        "kind": action.kind,
        "namespace": action.namespace or "",
        "name": action.name[:STATE_LIMIT],
        "code": code,
        "reason": "",
    }


def _state(state: Struct | None) -> str | None:
    if state is None:
        return None
    text = _encode(state).decode()
    return text if len(text) <= STATE_LIMIT else f"{text[:STATE_LIMIT]}…"


def page(found: Sequence[Record]) -> dict[str, object]:
    """Records as a list object."""
    last = found[-1].id if found else 0
    return {
        "kind": "AuditList",
        "apiVersion": "access.skerry.dev/v1alpha1",
        "metadata": {"last": last},
        "items": found,
    }
