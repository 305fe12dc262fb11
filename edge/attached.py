"""What attached microcontrollers report by themselves, as telemetry without an app.

A property becomes a stream of its own name. Its source stands where an app's name would: `mcu--pico`;
the node refuses apps whose names begin so. What cannot be read is a line in the agent's log.
"""

import logging
import re
from typing import Protocol

import cbor2

from edge.store.errors import StoreError
from edge.wire.manifest import STREAM, Durability, OnFull
from hal.report import PropertyReport

PREFIX = "mcu--"
"""Before a microcontroller's name. An app's may not begin so."""
PROPERTIES_LIMIT = 256
"""Remembered for what was said of them: a node with eight full microcontrollers."""
_VALUE, _BOOLEAN = 2, 4
"""Labels of RFC 8428, section 6."""
_STREAM = re.compile(STREAM)

_log = logging.getLogger(__name__)


class Outbox(Protocol):
    """The store's."""

    def append(
        self,
        app: str,
        stream: str,
        time_ns: int,
        payload: bytes,
        records: int,
        *,
        durability: Durability,
        on_full: OnFull,
    ) -> int:
        """Keep one SenML pack."""
        ...


class Clock(Protocol):
    """Of `hal`."""

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC."""
        ...

    def wall_ns(self) -> int:
        """UTC, as far as the board knows."""
        ...


class PropertyKeeper:
    """Keeps reports in the outbox. Called by the threads of the links, one device by one thread."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        """`clock`: `hal.clock`."""
        self._outbox = outbox
        self._clock = clock
        self._said: dict[tuple[str, str], str] = {}

    def keep(self, report: PropertyReport) -> None:
        """One report: a record, or a line in the log when the error is another than before."""
        if report.value is None:
            self._say(report, report.error or "no number")
            return
        if _STREAM.fullmatch(report.name) is None:
            self._say(report, "this name cannot be a stream's: use letters, digits and -:._/")
            return
        self._said.pop((report.device, report.name), None)
        label = _BOOLEAN if isinstance(report.value, bool) else _VALUE
        age = self._clock.monotonic_ns() - report.monotonic_ns
        try:
            self._outbox.append(
                PREFIX + report.device,
                report.name,
                self._clock.wall_ns() - age,
                cbor2.dumps([{label: report.value}]),
                1,
                durability=Durability.RELAXED,
                on_full=OnFull.DROP_OLDEST,
            )
        except StoreError as error:
            self._say(report, str(error))

    def _say(self, report: PropertyReport, what: str) -> None:
        key = report.device, report.name
        if self._said.get(key) == what:
            return
        if len(self._said) < PROPERTIES_LIMIT:
            self._said[key] = what
        _log.warning("%s of %s: %s", report.name, report.device, what)
