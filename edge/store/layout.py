"""Where everything lies in LMDB: the named databases, their keys, the small rows.

Numbers in keys are big-endian so that LMDB's byte order is numeric order. A NUL ends a name
inside a key: no name contains one.
"""

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import lmdb

if TYPE_CHECKING:
    from typing import TypeAlias

    from lmdb import _Database as Database  # pyright: ignore[reportPrivateUsage]

    Transaction: TypeAlias = lmdb.Transaction[bytes]
else:
    # LMDB's classes are generic in its type stubs only.
    Database = object
    Transaction = lmdb.Transaction

U64 = struct.Struct(">Q")
"""A sequence number, a revision, a count of bytes."""

SCHEMA = b"schema"
"""meta: U64, the version of this layout."""
IDENTITY = b"identity"
"""meta: 8 random bytes made with the store; names its journals."""
EPOCH = b"epoch"
"""meta: U64, the outbox's epoch."""
MOVED = b"moved"
"""meta: U64, the last journal generation that is in the outbox."""
SEQUENCE = b"sequence"
"""meta: two U64, the last sequence number assigned and the read mark."""
REVISION = b"revision"
"""meta: U64, the desired revision."""
FACT = b"fact:"
"""meta: prefix of the agent's own small facts."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Handles of the named databases, valid while the environment is open."""

    meta: Database
    desired: Database
    """kind NUL name → U64 generation, spec."""
    reported: Database
    """kind NUL name → status."""
    outbox: Database
    """U64 sequence number → edge.store.entry."""
    outbox_index: Database
    """app NUL `e` U64 → nothing: what may be dropped; app NUL `g` stream → U64: its gap."""
    outbox_apps: Database
    """app → edge.store.ledger.Totals."""
    kv: Database
    """app NUL key → value."""
    kv_usage: Database
    """app → U64 bytes."""


TABLE_NAMES = tuple(name.encode() for name in Tables.__dataclass_fields__)


def open_tables(env: lmdb.Environment, txn: Transaction) -> Tables:
    """Open, and create where missing, every named database inside `txn`."""
    return Tables(*(env.open_db(name, txn=txn) for name in TABLE_NAMES))


def u64(value: bytes | None, default: int = 0) -> int:
    """The number in a U64 row, `default` when there is no row."""
    if value is None:
        return default
    number: int = U64.unpack(value)[0]
    return number


def join(name: str, rest: bytes) -> bytes:
    """`name` NUL `rest`: a key that sorts by name first."""
    return name.encode() + b"\0" + rest
