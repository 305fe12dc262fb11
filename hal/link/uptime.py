"""From a device's own time to this machine's CLOCK_MONOTONIC.

A device counts from its start. One request and its answer tell when that was, to half the round
trip; as nothing arrives before it was sent, what arrives may show that it was later.
"""

ASK_EVERY = 60.0
"""Seconds between looks at the device's clock: a crystal of 30 ppm is wrong by 1.8 ms then."""


class Uptime:
    """Of one start of a device. Pure; nanoseconds here, microseconds there. The link's thread."""

    def __init__(self) -> None:
        self._start: int | None = None
        """When the device started, by the clock here."""

    def measured(self, device_us: int, sent_ns: int, received_ns: int) -> None:
        """The device showed this between these two instants."""
        self._start = (sent_ns + received_ns) // 2 - device_us * 1000

    def monotonic_ns(self, device_us: int, received_ns: int) -> int:
        """When it was here what the device says; `received_ns` for as long as that is unknown."""
        if self._start is None:
            return received_ns
        self._start = min(self._start, received_ns - device_us * 1000)
        return self._start + device_us * 1000
