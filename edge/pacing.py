"""How large the next telemetry batch is, learnt from how long the last ones took.

The cloud hears nothing of a batch before its last byte. On a link of 2 KB/s a full batch would
take two minutes, and the cloud would take the node for lost. No clock: the owner passes the time.
"""

from edge.wire import limits

FIRST = 32 << 10
"""Counted bytes of the first batch: at 1 KB/s it still arrives before the peer is lost."""
SMALLEST = 1 << 10
FAST = 1.0
"""Seconds until the acknowledgement under which the next batch may be twice as large."""
SLOW = 5.0
"""Seconds above which it is half as large: a third of a heartbeat."""


class Pacing:
    """One connection's; not thread-safe."""

    def __init__(self) -> None:
        self.size = FIRST
        """Counted bytes that the next batch should have at most."""
        self._seq = 0
        self._since = 0.0

    def sent(self, seq: int, now: float) -> None:
        """A batch up to `seq` left; one at a time is measured."""
        if self._seq == 0:
            self._seq, self._since = seq, now

    def acked(self, seq: int, now: float) -> None:
        """Everything up to `seq` is stored."""
        if not 0 < self._seq <= seq:
            return
        took, self._seq = now - self._since, 0
        if took < FAST:
            self.size = min(self.size * 2, limits.BATCH_BYTES)
        elif took > SLOW:
            self.size = max(self.size // 2, SMALLEST)
