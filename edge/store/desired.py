"""What the cloud wants this node to be, with the revision it is of: both change in one commit."""

from edge.store.environment import Environment
from edge.store.errors import BaseMismatchError
from edge.store.layout import REVISION, U64, Tables, Transaction, join, u64
from edge.store.writer import Writer
from edge.wire.events import DesiredStep
from edge.wire.messages import DesiredItem

KEY_LIMIT = 511
"""Bytes of an LMDB key."""


class DesiredSet:
    """The persisted desired set. Any thread may call; `apply` blocks for the disk."""

    def __init__(self, env: Environment, tables: Tables, writer: Writer) -> None:
        self._env = env
        self._tables = tables
        self._writer = writer

    @property
    def revision(self) -> int:
        """Revision on disk; 0 when there is none."""
        with self._env.read() as txn:
            return u64(txn.get(REVISION, db=self._tables.meta))

    def apply(self, step: DesiredStep) -> None:
        """Take a whole set (base None) or a difference; on disk when this returns.

        BaseMismatchError when the difference starts from another revision than the one held.
        """
        self._writer.call(lambda txn: self._apply(txn, step))

    def items(self) -> list[DesiredItem]:
        """Everything desired, sorted by kind and name."""
        with self._env.read() as txn, txn.cursor(db=self._tables.desired) as cursor:
            return [_item(key, value) for key, value in cursor]

    def _apply(self, txn: Transaction, step: DesiredStep) -> None:
        tables = self._tables
        held = u64(txn.get(REVISION, db=tables.meta))
        if step.base is None:
            txn.drop(tables.desired, delete=False)
        elif step.base != held:
            raise BaseMismatchError(held, step.base)
        for kind, name in step.remove:
            txn.delete(object_key(kind, name), db=tables.desired)
        for item in step.put:
            value = U64.pack(item.generation) + item.spec
            txn.put(object_key(item.kind, item.name), value, db=tables.desired)
        txn.put(REVISION, U64.pack(step.revision), db=tables.meta)


def object_key(kind: str, name: str) -> bytes:
    """Key of an object; ValueError when its kind and name cannot be one."""
    key = join(kind, name.encode())
    if "\0" in kind + name or not kind or not name or len(key) > KEY_LIMIT:
        raise ValueError(f"kind, name: {kind[:64]!r} {name[:64]!r}: empty, too long, or with NUL")
    return key


def _item(key: bytes, value: bytes) -> DesiredItem:
    kind, _, name = key.partition(b"\0")
    return DesiredItem(
        kind=kind.decode(),
        name=name.decode(),
        generation=u64(value[: U64.size]),
        spec=value[U64.size :],
    )
