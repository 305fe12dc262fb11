"""What the agent does for a running app: the sandbox checks, the agent stores and sends."""

from collections.abc import Sequence
from typing import Protocol

Value = bool | int | float | str
"""Value of a twin property."""


class HostServices(Protocol):
    """The agent's side of one app. Called on the app's thread; may block for the disk.

    Raise AgainError or NoSpaceError to tell the app so; any other error ends the app as Failed.
    """

    def publish(self, stream: str, payload: bytes, records: int) -> None:
        """Keep one valid SenML pack of `records` records; returns as the stream's durability says."""
        ...

    def flush(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until all published packs are on disk; whether they are."""
        ...

    def kv_get(self, key: str) -> bytes | None:
        """Stored value, None when missing."""
        ...

    def kv_set(self, key: str, value: bytes) -> None:
        """Store a value; it is on disk when this returns."""
        ...

    def kv_delete(self, key: str) -> bool:
        """Delete a key; whether it was there."""
        ...

    def kv_keys(self, prefix: str) -> Sequence[str]:
        """Keys that start with `prefix`, sorted."""
        ...

    def kv_bytes(self) -> int:
        """Bytes of all keys and values of this app; counts against its `storage`."""
        ...

    def twin_get(self, name: str) -> bytes | None:
        """The cloud's desired value as JSON text, None when it has set none."""
        ...

    def twin_report(self, name: str, value: Value) -> None:
        """Tell the cloud the value in force."""
        ...

    def log(self, level: int, text: str) -> None:
        """Take one line of the app, RFC 5424 severity."""
        ...
