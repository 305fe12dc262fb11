"""GPIO lines: what one can ask of a pin.

Values are the line's logical level (after active-low), edges carry CLOCK_MONOTONIC nanoseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, Self, runtime_checkable

EDGE_QUEUE_LIMIT = 256
"""Edges kept per line until read; the kernel's own default is 16 per line. Oldest are dropped."""


class Direction(Enum):
    """Which way a line drives."""

    INPUT = "in"
    OUTPUT = "out"


class Pull(Enum):
    """Bias resistor of an input."""

    NONE = "none"
    UP = "up"
    DOWN = "down"


class Edge(Enum):
    """Which transitions are reported."""

    NONE = "none"
    RISING = "rising"
    FALLING = "falling"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class LineConfig:
    """How a line is requested."""

    direction: Direction
    pull: Pull = Pull.NONE
    edge: Edge = Edge.NONE
    active_low: bool = False
    initial: bool = False
    """Level driven from the first instant; outputs only."""


@dataclass(frozen=True, slots=True)
class EdgeEvent:
    """One transition of an input."""

    rising: bool
    time_ns: int
    """CLOCK_MONOTONIC, nanoseconds."""
    lost: int = 0
    """Edges dropped before this one because the queue was full."""


@runtime_checkable
class Line(Protocol):
    """A requested line, owned until closed. Any thread may call; calls are serialised."""

    def read(self) -> bool:
        """Level of the line now."""
        ...

    def write(self, *, value: bool) -> None:
        """Drive the line; raises PinDirectionError on an input."""
        ...

    def fileno(self) -> int:
        """Readable while edges wait; for select and poll."""
        ...

    def read_edges(self) -> Sequence[EdgeEvent]:
        """Edges since the last call, oldest first; never blocks."""
        ...

    def close(self) -> None:
        """Release the line; may be called twice."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
