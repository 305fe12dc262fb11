"""The layout's versions: MIGRATIONS[n] turns version n into n + 1, each in the opening transaction.

An interrupted migration leaves the store as it was, because all steps share one transaction.
A change of layout appends a function here; none is ever edited once it was released.
"""

import os
from collections.abc import Callable, Sequence

from edge.store.errors import StoreVersionError
from edge.store.layout import EPOCH, IDENTITY, SCHEMA, SEQUENCE, U64, Tables, Transaction, u64
from edge.store.ledger import index_all

Migration = Callable[[Transaction, Tables], None]

EPOCH_BITS = 62
"""Fits the wire's signed 63 bits; a million stores collide with a chance of 10^-7."""


def new_epoch() -> int:
    """A random epoch; never 0."""
    return int.from_bytes(os.urandom(8)) >> (64 - EPOCH_BITS) or 1


def _found(txn: Transaction, tables: Tables) -> None:
    """0 → 1: name the store, start its epoch, and index entries that an unversioned store held."""
    txn.put(IDENTITY, os.urandom(8), db=tables.meta)
    txn.put(EPOCH, U64.pack(new_epoch()), db=tables.meta, overwrite=False)
    txn.put(SEQUENCE, U64.pack(_last_key(txn, tables)) + U64.pack(0), db=tables.meta)
    index_all(txn, tables)


MIGRATIONS: tuple[Migration, ...] = (_found,)


def migrate(
    txn: Transaction, tables: Tables, migrations: Sequence[Migration] = MIGRATIONS
) -> None:
    """Bring the store to the newest version; StoreVersionError when it is newer than this code."""
    found = u64(txn.get(SCHEMA, db=tables.meta))
    if found > len(migrations):
        raise StoreVersionError(
            f"the store has layout {found}, this agent knows up to {len(migrations)}: a newer "
            f"version wrote it. Install that version again, or move the store away to start empty"
        )
    for step in migrations[found:]:
        step(txn, tables)
    if found < len(migrations):
        txn.put(SCHEMA, U64.pack(len(migrations)), db=tables.meta)


def _last_key(txn: Transaction, tables: Tables) -> int:
    with txn.cursor(db=tables.outbox) as cursor:
        return u64(cursor.key()) if cursor.last() else 0
