"""The agent's own small facts: a lower bound of time, its identity's file names."""

from edge.store.environment import Environment
from edge.store.layout import FACT, Tables
from edge.store.writer import Writer


class Meta:
    """Facts by name. Any thread may call; `set` blocks for the disk."""

    def __init__(self, env: Environment, tables: Tables, writer: Writer) -> None:
        self._env = env
        self._table = tables.meta
        self._writer = writer

    def get(self, name: str) -> bytes | None:
        """The fact, None when it was never set."""
        with self._env.read() as txn:
            return txn.get(FACT + name.encode(), db=self._table)

    def set(self, name: str, value: bytes) -> None:
        """Keep a fact; on disk when this returns."""
        self._writer.call(lambda txn: txn.put(FACT + name.encode(), value, db=self._table))
