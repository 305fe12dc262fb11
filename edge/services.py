"""What the agent does for one running app: the `HostServices` behind its host calls."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from edge.logbuffer import LogBuffer
from edge.sandbox.errors import AgainError, NoSpaceError
from edge.sandbox.services import Value
from edge.store import Store
from edge.store.errors import (
    FlushTimeoutError,
    OutboxFullError,
    QuotaExceededError,
    StoreFullError,
)
from edge.wire.messages import DesiredApp, Scalar
from hal import clock


class AppServices:
    """One app's; the sandbox calls on the app's thread, `change_twin` comes from the loop's."""

    def __init__(
        self,
        name: str,
        spec: DesiredApp,
        store: Store,
        logs: LogBuffer,
        report: Callable[[str, Scalar], None],
    ) -> None:
        self._name = name
        self._streams = spec.manifest.telemetry
        self._storage = spec.limits.storage
        self._twin: Mapping[str, Scalar] = spec.twin
        self._store = store
        self._logs = logs
        self._report = report

    def change_twin(self, twin: Mapping[str, Scalar]) -> None:
        """Replace the desired values; the mapping is not changed afterwards."""
        self._twin = twin

    def publish(self, stream: str, payload: bytes, records: int) -> None:
        """Keep one pack as the stream's durability says."""
        declared = self._streams[stream]
        try:
            self._store.outbox.append(
                self._name,
                stream,
                clock.wall_ns(),
                payload,
                records,
                durability=declared.durability,
                on_full=declared.on_full,
            )
        except (OutboxFullError, StoreFullError) as error:
            raise AgainError(str(error)) from None

    def flush(self, timeout: float) -> bool:
        """Whether everything published is on disk within `timeout` seconds."""
        try:
            self._store.outbox.flush(self._name, timeout)
        except (FlushTimeoutError, StoreFullError):
            return False
        return True

    def kv_get(self, key: str) -> bytes | None:
        """Stored value."""
        return self._store.kv.get(self._name, key)

    def kv_set(self, key: str, value: bytes) -> None:
        """Store a value durably, within the app's storage limit."""
        try:
            self._store.kv.set(self._name, key, value, self._storage)
        except (QuotaExceededError, StoreFullError) as error:
            raise NoSpaceError(str(error)) from None

    def kv_delete(self, key: str) -> bool:
        """Delete a key; whether it was there."""
        try:
            return self._store.kv.delete(self._name, key)
        except StoreFullError as error:
            raise NoSpaceError(str(error)) from None

    def kv_keys(self, prefix: str) -> Sequence[str]:
        """Keys that start with `prefix`, sorted."""
        return self._store.kv.keys(self._name, prefix)

    def kv_bytes(self) -> int:
        """Bytes this app keeps in the key-value store."""
        return self._store.kv.usage(self._name)

    def twin_get(self, name: str) -> bytes | None:
        """Desired value as JSON."""
        value = self._twin.get(name)
        return None if value is None else msgspec.json.encode(value)

    def twin_report(self, name: str, value: Value) -> None:
        """Tell the cloud the value in force."""
        self._report(name, value)

    def log(self, level: int, text: str) -> None:
        """Keep one line."""
        self._logs.add(self._name, level, text, clock.wall_ns())
