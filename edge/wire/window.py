"""How much telemetry is on its way: the same account on both sides.

An entry counts its payload and ENTRY_OVERHEAD. A batch stays on the account until an
acknowledgement reaches its last entry.
"""

from collections import deque
from collections.abc import Sequence

from edge.wire import limits
from edge.wire.messages import Entry


def weight(entry: Entry) -> int:
    """Counted bytes of one entry."""
    return len(entry.payload) + limits.ENTRY_OVERHEAD


def grantable(size: int) -> int:
    """`size`, or 0 (pause) when the largest entry would never fit it."""
    return size if size >= limits.WINDOW_MIN else 0


def size_fault(size: int) -> str | None:
    """Why a peer must not grant this window; None when it may."""
    if grantable(size) != size:
        return f"window: {size} is neither 0 nor at least {limits.WINDOW_MIN}"
    return None


class Window:
    """The account of one session. `seq` is the last sent, `acked` the last acknowledged."""

    def __init__(self, acked: int, size: int) -> None:
        self.seq = acked
        self.acked = acked
        self.size = size
        self._batches: deque[tuple[int, int]] = deque()
        self._in_flight = 0

    @property
    def room(self) -> int:
        """Counted bytes that may still be sent; 0 after a window shrank below what is out."""
        return max(0, self.size - self._in_flight)

    def fault(self, entries: Sequence[Entry]) -> str | None:
        """The rule that sending `entries` would break, in words; None when they may go."""
        if not 1 <= len(entries) <= limits.BATCH_ENTRIES_LIMIT:
            return f"entries: {len(entries)}, a batch has 1 to {limits.BATCH_ENTRIES_LIMIT}"
        seq, total = self.seq, 0
        for index, entry in enumerate(entries):
            if entry.seq <= seq:
                return f"entries[{index}].seq: {entry.seq} does not follow {seq}"
            if len(entry.payload) > limits.PACK_LIMIT:
                return f"entries[{index}].payload: {len(entry.payload)} bytes exceed a pack"
            seq, total = entry.seq, total + weight(entry)
        if total > limits.BATCH_BYTES:
            return f"entries: {total} bytes, a batch has at most {limits.BATCH_BYTES}"
        if total > self.room:
            return f"entries: {total} bytes, the window has room for {self.room}"
        return None

    def add(self, entries: Sequence[Entry]) -> None:
        """Put a faultless batch on the account."""
        total = sum(map(weight, entries))
        self.seq = entries[-1].seq
        self._batches.append((self.seq, total))
        self._in_flight += total

    def ack_fault(self, seq: int) -> str | None:
        """Why `seq` cannot be acknowledged; None when it can."""
        if not self.acked <= seq <= self.seq:
            return f"seq: {seq} is not in {self.acked}..{self.seq}"
        return None

    def ack(self, seq: int) -> None:
        """Take every batch that ends at or before `seq` off the account."""
        self.acked = seq
        while self._batches and self._batches[0][0] <= seq:
            self._in_flight -= self._batches.popleft()[1]
