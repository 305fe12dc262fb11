"""The only place that reads a clock; everything else takes the time as an argument."""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Correction:
    """What is added to a system clock that shows less than is known to have passed."""

    floor_ns: int = 0
    """A system clock at or above this is believed as it is: somebody has set it."""
    shift_ns: int = 0


_correction = Correction()


def monotonic() -> float:
    """Seconds since an arbitrary start, never stepping back; for deadlines and intervals."""
    return time.monotonic()


def monotonic_ns() -> int:
    """CLOCK_MONOTONIC in nanoseconds: the clock of GPIO edges."""
    return time.monotonic_ns()


def since_boot() -> float:
    """Seconds since the kernel started, sleep included (CLOCK_BOOTTIME)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def system_ns() -> int:
    """Nanoseconds since 1970-01-01 UTC as the operating system has them."""
    return time.time_ns()


def wall_ns() -> int:
    """Nanoseconds since 1970-01-01 UTC, as far as this board knows; may be wrong. Any thread."""
    now, correction = time.time_ns(), _correction
    return now if now >= correction.floor_ns else now + correction.shift_ns


def correct(correction: Correction) -> None:
    """Use another correction from now on."""
    global _correction  # noqa: PLW0603 - there is one wall clock
    _correction = correction


def thread_cpu() -> float:
    """CPU seconds that the calling thread has used."""
    return time.thread_time()
