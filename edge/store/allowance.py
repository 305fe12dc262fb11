"""Room promised to refusing streams: taken before an entry is accepted, given back when trimmed.

A relaxed entry is accepted before any transaction sees it, so its refusal cannot wait for one.
"""

import threading

from edge.store.errors import OutboxFullError
from edge.store.ledger import APP_SHARE


class Allowance:
    """Counts the charged bytes of refusing streams. Any thread may call."""

    def __init__(self, limit: int, held: dict[str, int]) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._held = {app: size for app, size in held.items() if size}

    def take(self, app: str, charge: int) -> None:
        """Promise room; OutboxFullError when no dropping could ever make it."""
        share = self._limit // APP_SHARE
        with self._lock:
            held = self._held.get(app, 0)
            if held + charge > share:
                raise OutboxFullError(
                    f"{app}: holds {held} of the {share} bytes that one app may; the call is "
                    f"refused until the cloud acknowledges some"
                )
            if sum(self._held.values()) + charge > self._limit:
                raise OutboxFullError(f"{app}: the outbox's {self._limit} bytes are all taken")
            self._held[app] = held + charge

    def give(self, app: str, charge: int) -> None:
        """Take a promise back."""
        with self._lock:
            left = self._held.get(app, 0) - charge
            if left > 0:
                self._held[app] = left
            else:
                self._held.pop(app, None)
