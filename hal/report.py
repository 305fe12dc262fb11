"""What an attached device says by itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PropertyReport:
    """Of one of its properties."""

    device: str
    """What people call the device on this node."""
    name: str
    """Of the property."""
    value: float | bool | None
    """None: it could not be read, as `error` says."""
    error: str
    monotonic_ns: int
    """When it was sampled, by CLOCK_MONOTONIC."""
