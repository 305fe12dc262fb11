"""How large the next telemetry batch is, and when the next status may leave.

The cloud hears nothing of a batch before its last byte. On a link of 2 KB/s a full batch would
take two minutes, and the cloud would take the node for lost; so its size is learnt from how long
the last ones took. Each status is a revision of an object in the cloud; an app that reports its
twin in a loop must not make thousands. No clock: the owner passes the time.
"""

from edge.wire import limits

FIRST = 32 << 10
"""Counted bytes of the first batch: at 1 KB/s it still arrives before the peer is lost."""
SMALLEST = 1 << 10
FAST = 1.0
"""Seconds until the acknowledgement under which the next batch may be twice as large."""
SLOW = 5.0
"""Seconds above which it is half as large: a third of a heartbeat."""
STATUS_BURST = 20
"""Statuses sent as they come: a few apps on their way from Fetching to Running."""
STATUS_RATE = 2.0
"""Statuses a second after that, each with all that changed meanwhile."""


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


class StatusPace:
    """One connection's; not thread-safe."""

    def __init__(self, now: float) -> None:
        self._left = float(STATUS_BURST)
        self._then = now

    def sent(self, now: float) -> None:
        """A status left."""
        self._refill(now)
        self._left -= 1.0

    def wait(self, now: float) -> float:
        """Seconds until the next may leave."""
        self._refill(now)
        return max(0.0, (1.0 - self._left) / STATUS_RATE)

    def _refill(self, now: float) -> None:
        self._left = min(STATUS_BURST, self._left + (now - self._then) * STATUS_RATE)
        self._then = now
