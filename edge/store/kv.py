"""Small values of apps that survive restarts and power cuts; each app sees only its own."""

from edge.store.environment import Environment
from edge.store.errors import QuotaExceededError
from edge.store.layout import U64, Tables, Transaction, join, u64
from edge.store.writer import Writer

KEY_LIMIT = 128
"""Bytes of a key: docs/guest-abi.md."""
VALUE_LIMIT = 16 << 10
"""Bytes of a value: docs/guest-abi.md."""
TOTAL_LIMIT = 32 << 20
"""Bytes of all apps together: half of the map's share that is not the outbox's."""
APP_LIMIT = 255
"""Bytes of an app's name: with a key it stays under LMDB's 511."""

_TOTAL = b"\0"
_DROP_CHUNK = 512
"""Keys deleted in one operation when an app goes."""


class KeyValue:
    """Values by (app, key). Any thread may call; what changes something blocks for the disk."""

    def __init__(self, env: Environment, tables: Tables, writer: Writer) -> None:
        self._env = env
        self._tables = tables
        self._writer = writer

    def get(self, app: str, key: str) -> bytes | None:
        """The value, None when missing."""
        with self._env.read() as txn:
            return txn.get(_key(app, key), db=self._tables.kv)

    def set(self, app: str, key: str, value: bytes, quota_bytes: int) -> None:
        """Keep a value, on disk when this returns; keys and values count against the quota.

        QuotaExceededError past the quota or TOTAL_LIMIT; ValueError names a field out of bounds.
        """
        full_key = _key(app, key)
        if len(value) > VALUE_LIMIT:
            raise ValueError(f"value: {len(value)} bytes, at most {VALUE_LIMIT}")
        self._writer.call(lambda txn: self._set(txn, app, full_key, value, quota_bytes))

    def delete(self, app: str, key: str) -> bool:
        """Delete a key; whether it was there."""
        full_key = _key(app, key)
        return self._writer.call(lambda txn: self._delete(txn, app, [full_key]) > 0, deletes=True)

    def keys(self, app: str, prefix: str = "") -> list[str]:
        """Keys that start with `prefix`, sorted by their bytes."""
        with self._env.read() as txn:
            found = self._keys(txn, app, prefix, None)
        return [key[len(app.encode()) + 1 :].decode() for key in found]

    def usage(self, app: str) -> int:
        """Bytes of the app's keys and values."""
        with self._env.read() as txn:
            return u64(txn.get(app.encode(), db=self._tables.kv_usage))

    def drop(self, app: str) -> None:
        """Delete everything of an app."""
        while self._writer.call(lambda txn: self._drop_some(txn, app), deletes=True):
            pass

    def _set(self, txn: Transaction, app: str, key: bytes, value: bytes, quota: int) -> None:
        old = txn.get(key, db=self._tables.kv)
        growth = len(value) - len(old) if old is not None else _size(app, key) + len(value)
        used = u64(txn.get(app.encode(), db=self._tables.kv_usage))
        total = u64(txn.get(_TOTAL, db=self._tables.kv_usage))
        # A smaller value is always welcome, even when the quota was lowered meanwhile.
        if growth > 0 and used + growth > quota:
            raise QuotaExceededError(f"{app}: {used + growth} bytes, its quota is {quota}")
        if growth > 0 and total + growth > TOTAL_LIMIT:
            raise QuotaExceededError(f"{app}: all apps together hold {total} of {TOTAL_LIMIT}")
        txn.put(key, value, db=self._tables.kv)
        self._account(txn, app, growth)

    def _delete(self, txn: Transaction, app: str, keys: list[bytes]) -> int:
        freed = 0
        for key in keys:
            old = txn.pop(key, db=self._tables.kv)
            if old is not None:
                freed += _size(app, key) + len(old)
        self._account(txn, app, -freed)
        return freed

    def _drop_some(self, txn: Transaction, app: str) -> bool:
        keys = self._keys(txn, app, "", _DROP_CHUNK)
        self._delete(txn, app, keys)
        return len(keys) == _DROP_CHUNK

    def _keys(self, txn: Transaction, app: str, prefix: str, limit: int | None) -> list[bytes]:
        start = join(app, prefix.encode())
        found: list[bytes] = []
        with txn.cursor(db=self._tables.kv) as cursor:
            more = cursor.set_range(start)
            while more and cursor.key().startswith(start) and len(found) != limit:
                found.append(cursor.key())
                more = cursor.next()
        return found

    def _account(self, txn: Transaction, app: str, growth: int) -> None:
        for row in (app.encode(), _TOTAL):
            used = u64(txn.get(row, db=self._tables.kv_usage)) + growth
            if used:
                txn.put(row, U64.pack(used), db=self._tables.kv_usage)
            else:
                txn.delete(row, db=self._tables.kv_usage)


def _key(app: str, key: str) -> bytes:
    if not 0 < len(app.encode()) <= APP_LIMIT or "\0" in app:
        raise ValueError(f"app: {app[:64]!r} must be 1 to {APP_LIMIT} bytes without NUL")
    if not 0 < len(key.encode()) <= KEY_LIMIT or "\0" in key:
        raise ValueError(f"key: {key[:64]!r} must be 1 to {KEY_LIMIT} bytes without NUL")
    return join(app, key.encode())


def _size(app: str, key: bytes) -> int:
    """Bytes of the key as the app wrote it."""
    return len(key) - len(app.encode()) - 1
