"""What time it is on a board without a clock: never before what was known, and the cloud's.

A Raspberry Pi starts in 1970 until somebody sets its clock. A system clock that shows less than the
lower bound kept in the store is corrected: first it goes on from the bound, then, once the cloud
has said its time, from that. A system clock above the bound is believed, whatever the cloud says.

Starts without the time follow each other in one count: each goes on from where the one before
ended, so their readings keep their order and their distances within a start. How long the board
was off in between cannot be known. When the time is learnt, by the cloud or because somebody set
the clock, all readings of the count are moved by one amount, on the way out: those of this start
are then right, those of earlier starts are as late as they can have been. See
docs/decisions/2026-11-23-time.md.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Protocol

import msgspec
from msgspec import Struct, structs

from edge.store.errors import StoreError
from edge.wire.messages import Entry
from hal import clock as board_clock
from hal.clock import Correction

RELEASED_NS = 1_767_225_600 * 10**9
"""2026-01-01: no clock that is right shows less."""
KEEP_SECONDS = 3600.0
"""How often the bound is written: a power cut costs at most as much, a card one page an hour."""
SPANS_LIMIT = 8
"""Learnt corrections kept for readings that are still to be sent; a link ends the need for one."""
_FACT, _PROVEN, _SPANS = "time", "proven-time", "time-spans"

_log = logging.getLogger(__name__)


class Facts(Protocol):
    """Where the bound is kept: `Store.meta`."""

    def get(self, name: str) -> bytes | None:
        """The fact."""
        ...

    def set(self, name: str, value: bytes) -> None:
        """Keep it; blocks for the disk."""
        ...


class Clock(Protocol):
    """What is asked of `hal.clock`."""

    def system_ns(self) -> int:
        """The operating system's clock."""
        ...

    def monotonic_ns(self) -> int:
        """A clock that never steps."""
        ...

    def correct(self, correction: Correction) -> None:
        """Add this to the system clock."""
        ...


class Span(Struct, frozen=True):
    """A count without the time: readings numbered above `after`, stamped from first to last."""

    after: int
    first_ns: int
    last_ns: int = 0
    """0 while the count goes on."""
    behind_ns: int = 0
    """What its stamps lack, once that is known."""

    def holds(self, entry: Entry) -> bool:
        """Whether the entry was stamped in this count."""
        return entry.seq > self.after and self.first_ns <= entry.time_ns <= self.last_ns


class _Kept(Struct, frozen=True):
    learnt: tuple[Span, ...] = ()
    open: Span | None = None


class Timekeeper:
    """Corrects `hal.clock` of this process. Belongs to the loop's thread."""

    def __init__(
        self, facts: Facts, last_seq: int, last_ns: int = 0, clock: Clock = board_clock
    ) -> None:
        """`last_seq` and `last_ns`: number and stamp of the newest entry of earlier starts."""
        self._facts = facts
        self._clock = clock
        self._changed = asyncio.Event()
        proven = int.from_bytes(facts.get(_PROVEN) or b"")
        self._proven = (max(proven, RELEASED_NS), clock.monotonic_ns())
        """What an authenticated cloud said, and when it did (monotonic, ns)."""
        kept = int.from_bytes(facts.get(_FACT) or b"")
        self._floor = max(kept, RELEASED_NS, last_ns)
        self._spans = _read(facts)
        system = clock.system_ns()
        self._count_from = (self._floor, clock.monotonic_ns())
        behind = self._floor - system
        clock.correct(Correction(self._floor, max(0, behind)))
        if behind <= 0:
            self._close_count(self._floor, -behind)
            return
        if self._spans.open is None:
            self._spans = structs.replace(self._spans, open=Span(last_seq, self._floor))
        self._keep_spans()
        _log.warning("this board's clock is not set: time goes on from the last that is known")

    def heard(self, cloud_ns: int) -> None:
        """The cloud said its time."""
        self._notice_clock_set()
        if self._spans.open is None or cloud_ns < RELEASED_NS:
            return
        counted = self._counted_ns()
        self._clock.correct(Correction(self._floor, cloud_ns - self._clock.system_ns()))
        self._close_count(counted, cloud_ns - counted)
        self._count_from = (cloud_ns, self._clock.monotonic_ns())
        _log.warning("this board's clock is not set: the cloud's time is used")
        self._changed.set()

    def proved(self, cloud_ns: int) -> None:
        """An authenticated cloud said its time; `proven_ns` never goes back."""
        first = self._proven[0] == RELEASED_NS
        if cloud_ns > self.proven_ns():
            self._proven = (cloud_ns, self._clock.monotonic_ns())
        if first:
            self._changed.set()

    def proven_ns(self) -> int:
        """A time that has certainly come, whatever the system's clock says.

        Certificates are judged by this alone: a clock that once jumped to 2200 must not lock the
        node out, nor one that shows 1970.
        """
        said, then = self._proven
        return said + self._clock.monotonic_ns() - then

    def lower_bound_ns(self) -> int:
        """A time that has passed: at least the bound of this start, whatever the cloud says now.

        Signatures are judged by it.
        """
        return max(self._floor, self._shown_ns())

    def corrected(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Entries with the time at which their calls were made, as far as it is known now."""
        self._notice_clock_set()
        return [self._corrected(entry) for entry in entries]

    async def run(self) -> None:
        """Keep the bound, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(KEEP_SECONDS):
                    await self._changed.wait()
            self._changed.clear()
            self._notice_clock_set()
            await asyncio.to_thread(self.keep)

    def keep(self) -> None:
        """Write the bound now; any thread."""
        try:
            self._facts.set(_FACT, self._shown_ns().to_bytes(8))
            self._facts.set(_PROVEN, self.proven_ns().to_bytes(8))
        except (StoreError, OSError) as error:
            _log.warning("the time could not be kept: %s", error)
        self._keep_spans()

    def _shown_ns(self) -> int:
        """What the corrected clock shows."""
        system = self._clock.system_ns()
        return system if system >= self._floor else self._counted_ns()

    def _counted_ns(self) -> int:
        """The time as counted since this start, or since the cloud said it."""
        shown, since = self._count_from
        return shown + self._clock.monotonic_ns() - since

    def _notice_clock_set(self) -> None:
        """Close the count if somebody set the system clock meanwhile."""
        system = self._clock.system_ns()
        if self._spans.open is None or system < self._floor:
            return
        counted = self._counted_ns()
        self._close_count(counted, system - counted)
        self._changed.set()

    def _close_count(self, last_ns: int, behind_ns: int) -> None:
        if self._spans.open is None:
            return
        closed = structs.replace(self._spans.open, last_ns=last_ns, behind_ns=behind_ns)
        self._spans = _Kept((*self._spans.learnt, closed)[-SPANS_LIMIT:])

    def _corrected(self, entry: Entry) -> Entry:
        for span in self._spans.learnt:
            if span.holds(entry):
                return structs.replace(entry, time_ns=entry.time_ns + span.behind_ns)
        return entry

    def _keep_spans(self) -> None:
        try:
            self._facts.set(_SPANS, msgspec.json.encode(self._spans))
        except (StoreError, OSError) as error:
            _log.warning("what is known of the time could not be kept: %s", error)


def _read(facts: Facts) -> _Kept:
    try:
        return msgspec.json.decode(facts.get(_SPANS) or b"{}", type=_Kept)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _log.warning("what was known of the time is unreadable: %s", error)
        return _Kept()
