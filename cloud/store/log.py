"""The revision log as SQL: every revision a row, each knows what it superseded and what did so.

A row is part of the state at revision R when `revision <= R < next`. Functions here run inside a
transaction of `Database` and know nothing of types, only of encoded objects.
"""

from collections.abc import Iterator
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

metadata = sa.MetaData()

objects = sa.Table(
    "objects",
    metadata,
    sa.Column("revision", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("kind", sa.Text(), nullable=False),
    sa.Column("namespace", sa.Text(), nullable=False),
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("deleted", sa.Boolean(), nullable=False),
    sa.Column("previous", sa.BigInteger(), nullable=False),
    sa.Column("next", sa.BigInteger(), nullable=True),
    sa.Column("value", sa.LargeBinary(), nullable=False),
    sqlite_autoincrement=True,
)
labels = sa.Table(
    "object_labels",
    metadata,
    sa.Column("kind", sa.Text(), primary_key=True),
    sa.Column("key", sa.Text(), primary_key=True),
    sa.Column("value", sa.Text(), primary_key=True),
    sa.Column("namespace", sa.Text(), primary_key=True),
    sa.Column("name", sa.Text(), primary_key=True),
)
floors = sa.Table(
    "object_floor",
    metadata,
    sa.Column("id", sa.Integer(), primary_key=True),
    sa.Column("revision", sa.BigInteger(), nullable=False),
)

_o = objects.c
_before = objects.alias("before")

_NEWEST = sa.select(_o.revision, _o.deleted, _o.value).where(
    _o.kind == sa.bindparam("kind"),
    _o.namespace == sa.bindparam("namespace"),
    _o.name == sa.bindparam("name"),
    _o.next.is_(None),
)
_INSERT = sa.insert(objects).returning(_o.revision)
_SUPERSEDE = (
    sa.update(objects).where(_o.revision == sa.bindparam("old")).values(next=sa.bindparam("new"))
)
_HISTORY = (
    sa.select(_o.revision, _o.deleted, _o.value, _before.c.deleted, _before.c.value)
    .select_from(objects.outerjoin(_before, _before.c.revision == _o.previous))
    .where(_o.kind == sa.bindparam("kind"), _o.revision > sa.bindparam("since"))
    .order_by(_o.revision)
    .limit(sa.bindparam("limit"))
)


class Key(NamedTuple):
    """What an object is found by; cluster-scoped kinds have an empty namespace."""

    kind: str
    namespace: str
    name: str


_NOTHING = Key("", "", "")
"""Key of the rows that leaps leave."""


class Stored(NamedTuple):
    """An encoded object and the revision it is from."""

    revision: int
    value: bytes


class Step(NamedTuple):
    """One row of history: the encoded object now and before; None where it was not there."""

    revision: int
    value: bytes
    deleted: bool
    before: bytes | None


class Range(NamedTuple):
    """Which rows a list reads. `at` None is the present; `label` only narrows the present."""

    kind: str
    namespace: str | None
    name: str | None = None
    after: tuple[str, str] | None = None
    at: int | None = None
    label: tuple[str, str] | None = None


def newest(connection: Connection, key: Key) -> Stored | None:
    """The object as it is; None when there is none."""
    row = connection.execute(_NEWEST, key._asdict()).one_or_none()
    return Stored(row.revision, row.value) if row is not None and not row.deleted else None


def append(connection: Connection, key: Key, value: bytes, *, deleted: bool = False) -> int:
    """Add a revision and return its number."""
    row = connection.execute(_NEWEST, key._asdict()).one_or_none()
    previous = row.revision if row is not None else 0
    row_written = {**key._asdict(), "deleted": deleted, "previous": previous, "value": value}
    revision = int(connection.execute(_INSERT, row_written).scalar_one())
    if previous:
        connection.execute(_SUPERSEDE, {"old": previous, "new": revision})
    return revision


def set_labels(connection: Connection, key: Key, values: dict[str, str]) -> None:
    """Make the index of present labels say this of the object."""
    connection.execute(
        sa.delete(labels).where(
            labels.c.kind == key.kind,
            labels.c.namespace == key.namespace,
            labels.c.name == key.name,
        )
    )
    if values:
        rows = [{**key._asdict(), "key": k, "value": v} for k, v in values.items()]
        connection.execute(sa.insert(labels), rows)


def scan(connection: Connection, wanted: Range) -> Iterator[Stored]:
    """Objects in the order of namespace and name."""
    query = sa.select(_o.revision, _o.value).where(_o.kind == wanted.kind, ~_o.deleted)
    if wanted.namespace is not None:
        query = query.where(_o.namespace == wanted.namespace)
    if wanted.name is not None:
        query = query.where(_o.name == wanted.name)
    if wanted.after is not None:
        query = query.where(sa.tuple_(_o.namespace, _o.name) > sa.tuple_(*wanted.after))
    if wanted.at is not None:
        query = query.where(_o.revision <= wanted.at, (_o.next.is_(None)) | (_o.next > wanted.at))
    else:
        query = query.where(_o.next.is_(None))
        if wanted.label is not None:
            query = query.join(
                labels,
                (labels.c.kind == _o.kind)
                & (labels.c.namespace == _o.namespace)
                & (labels.c.name == _o.name),
            ).where(labels.c.key == wanted.label[0], labels.c.value == wanted.label[1])
    for row in connection.execute(query.order_by(_o.namespace, _o.name)):
        yield Stored(row.revision, row.value)


def history(connection: Connection, kind: str, since: int, limit: int) -> list[Step]:
    """Changes of a kind after `since`, oldest first."""
    rows = connection.execute(_HISTORY, {"kind": kind, "since": since, "limit": limit})
    return [
        Step(revision, value, deleted, None if gone is None or gone else before)
        for revision, deleted, value, gone, before in rows
    ]


def namespaces(connection: Connection) -> list[str]:
    """Namespaces that hold an object."""
    query = sa.select(_o.namespace).where(_o.next.is_(None), ~_o.deleted).distinct()
    return [name for name in connection.execute(query).scalars() if name]


def floor(connection: Connection) -> int:
    """The oldest revision whose state can still be read."""
    return int(connection.execute(sa.select(floors.c.revision)).scalar_one())


def head(connection: Connection) -> int:
    """The newest revision, even if its row is compacted away."""
    newest_row = connection.execute(sa.select(sa.func.max(_o.revision))).scalar_one()
    return max(int(newest_row or 0), floor(connection))


def leap(connection: Connection, by: int) -> None:
    """Go on at head + `by`; the numbers between belong to no state of this database."""
    end = head(connection)
    row = {**_NOTHING._asdict(), "deleted": True, "previous": end, "value": b""}
    connection.execute(sa.insert(objects), {"revision": end + by, **row})


def gaps(connection: Connection) -> list[range]:
    """Numbers that leaps went over, down to the floor at least."""
    query = sa.select(_o.previous, _o.revision).where(_o.kind == _NOTHING.kind)
    return [range(last + 1, first) for last, first in connection.execute(query)]


def raise_floor(connection: Connection, revision: int) -> None:
    """From now on nothing older than `revision` can be asked for."""
    connection.execute(
        sa.update(floors).where(floors.c.revision < revision).values(revision=revision)
    )


def drop_below_floor(connection: Connection, limit: int) -> int:
    """Delete up to `limit` rows that no state from the floor on needs; returns how many."""
    at = floor(connection)
    superseded = sa.select(_o.revision).where(_o.next <= at).limit(limit)
    gone = connection.execute(sa.delete(objects).where(_o.revision.in_(superseded))).rowcount
    if gone < limit:
        buried = (
            sa.select(_o.revision)
            .where(_o.deleted, _o.next.is_(None), _o.revision <= at)
            .limit(limit - gone)
        )
        gone += connection.execute(sa.delete(objects).where(_o.revision.in_(buried))).rowcount
    return int(gone)
