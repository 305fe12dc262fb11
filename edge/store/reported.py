"""The last status of each object, so that restart counts and holds outlive the agent."""

from edge.store.desired import object_key
from edge.store.environment import Environment
from edge.store.layout import Tables
from edge.store.writer import Writer


class ReportedSet:
    """Statuses by (kind, name). Any thread may call; what changes something blocks for the disk."""

    def __init__(self, env: Environment, tables: Tables, writer: Writer) -> None:
        self._env = env
        self._table = tables.reported
        self._writer = writer

    def get(self, kind: str, name: str) -> bytes | None:
        """The last status, None when there is none."""
        with self._env.read() as txn:
            return txn.get(object_key(kind, name), db=self._table)

    def put(self, kind: str, name: str, status: bytes) -> None:
        """Keep a status; one that is already held costs no commit."""
        key = object_key(kind, name)
        if self.get(kind, name) != status:
            self._writer.call(lambda txn: txn.put(key, status, db=self._table))

    def remove(self, kind: str, name: str) -> None:
        """Forget an object; nothing happens when it is unknown."""
        key = object_key(kind, name)
        if self.get(kind, name) is not None:
            self._writer.call(lambda txn: txn.delete(key, db=self._table), deletes=True)

    def items(self) -> dict[tuple[str, str], bytes]:
        """Every status, by (kind, name)."""
        with self._env.read() as txn, txn.cursor(db=self._table) as cursor:
            return {_name(key): value for key, value in cursor}


def _name(key: bytes) -> tuple[str, str]:
    kind, _, name = key.partition(b"\0")
    return kind.decode(), name.decode()
