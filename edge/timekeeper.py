"""What time it is on a board without a clock: never before what was known, and the cloud's.

A Raspberry Pi starts in 1970 until somebody sets its clock. A system clock that shows less than the
lower bound kept in the store is corrected: first it goes on from the bound, then, once the cloud
has said its time, from that. Readings taken before are corrected when they are sent. A system
clock above the bound is believed, whatever the cloud says.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Protocol

from msgspec import structs

from edge.store.errors import StoreError
from edge.wire.messages import Entry
from hal import clock

RELEASED_NS = 1_767_225_600 * 10**9
"""2026-01-01: no clock that is right shows less."""
KEEP_SECONDS = 3600.0
"""How often the bound is written: a power cut costs at most as much, a card one page an hour."""
_FACT = "time"

_log = logging.getLogger(__name__)


class Facts(Protocol):
    """Where the bound is kept: `Store.meta`."""

    def get(self, name: str) -> bytes | None:
        """The fact."""
        ...

    def set(self, name: str, value: bytes) -> None:
        """Keep it; blocks for the disk."""
        ...


class Timekeeper:
    """Corrects `hal.clock` of this process. Belongs to the loop's thread."""

    def __init__(self, facts: Facts, last_seq: int) -> None:
        """`last_seq` is the number of the newest entry of earlier starts."""
        self._facts = facts
        self._started_seq = last_seq
        self._learned_ns = 0
        """What the clock showed when the cloud said its time; 0 before, or if it was right."""
        self._behind_ns = 0
        self._changed = asyncio.Event()
        self._floor = max(int.from_bytes(facts.get(_FACT) or b""), RELEASED_NS)
        behind = self._floor - clock.system_ns()
        clock.correct(clock.Correction(self._floor, max(0, behind)))
        if behind > 0:
            _log.warning("this board's clock is not set: time goes on from the last that is known")

    def heard(self, cloud_ns: int) -> None:
        """The cloud said its time."""
        system, shown = clock.system_ns(), clock.wall_ns()
        if system >= self._floor or cloud_ns < RELEASED_NS or self._learned_ns:
            return
        self._learned_ns, self._behind_ns = shown, cloud_ns - shown
        clock.correct(clock.Correction(self._floor, cloud_ns - system))
        _log.warning("this board's clock is not set: the cloud's time is used")
        self._changed.set()

    def lower_bound_ns(self) -> int:
        """A time that has passed: the bound that was kept, whatever the cloud says now."""
        return max(self._floor, clock.wall_ns())

    def corrected(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Entries with the time at which their calls were made, as far as it is known now."""
        if not self._behind_ns:
            return entries
        return [
            structs.replace(entry, time_ns=entry.time_ns + self._behind_ns)
            if entry.seq > self._started_seq and entry.time_ns <= self._learned_ns
            else entry
            for entry in entries
        ]

    async def run(self) -> None:
        """Keep the bound, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(KEEP_SECONDS):
                    await self._changed.wait()
            self._changed.clear()
            await asyncio.to_thread(self.keep)

    def keep(self) -> None:
        """Write the bound now; any thread."""
        try:
            self._facts.set(_FACT, clock.wall_ns().to_bytes(8))
        except (StoreError, OSError) as error:
            _log.warning("the time could not be kept: %s", error)
