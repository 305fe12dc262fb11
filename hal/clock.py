"""The only place that reads a clock; everything else takes the time as an argument."""

import time


def monotonic() -> float:
    """Seconds since an arbitrary start, never stepping back; for deadlines and intervals."""
    return time.monotonic()


def monotonic_ns() -> int:
    """CLOCK_MONOTONIC in nanoseconds: the clock of GPIO edges."""
    return time.monotonic_ns()


def wall_ns() -> int:
    """Nanoseconds since 1970-01-01 UTC, as far as this board knows; may be wrong."""
    return time.time_ns()


def thread_cpu() -> float:
    """CPU seconds that the calling thread has used."""
    return time.thread_time()
