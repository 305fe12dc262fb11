"""How much telemetry each node may have on its way, so that a thousand cannot bury the cloud.

All windows together stay near BUDGET; while much waits for the disk each gets the smallest one.
"""

from edge.wire.limits import WINDOW_DEFAULT, WINDOW_MIN

BUDGET = 128 << 20
"""Counted bytes of telemetry that all nodes together may have sent and not had acknowledged."""
BUSY = 16 << 20
"""Waiting bytes from which on the disk is the bottleneck: about two seconds of its work."""


class Credit:
    """The account of all connections. Concurrency: belongs to one event loop."""

    def __init__(self) -> None:
        self.connections = 0
        self.waiting = 0
        """Counted bytes received and not yet committed."""

    def window(self) -> int:
        """What to grant one node now."""
        if self.waiting >= BUSY:
            return WINDOW_MIN
        share = BUDGET // max(1, self.connections)
        return min(max(share, WINDOW_MIN), WINDOW_DEFAULT)
