"""The state of one run, which host functions work on. The guest's thread only, unless said."""

import contextlib
import ctypes
import threading
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from wasmtime import _bindings as ffi  # pyright: ignore[reportPrivateUsage]

from edge.sandbox.cpu import CpuMeter
from edge.sandbox.errnos import Errno
from edge.sandbox.errors import CallError, GuestEndError
from edge.sandbox.events import HardwareEvents
from edge.sandbox.exits import Exit, ExitKind
from edge.sandbox.handles import Handles
from edge.sandbox.linear import MemoryAccount
from edge.sandbox.loglines import LogSink
from edge.sandbox.memory import Memory
from edge.sandbox.parking import Parking
from edge.sandbox.rate import TokenBucket
from edge.sandbox.setup import GpioGrant, GuestSetup, I2CGrant, SerialGrant
from edge.sandbox.ticker import Ticker
from edge.sandbox.wasi.descriptors import Descriptors
from hal import clock
from hal.gpio import Line
from hal.i2c import I2CDevice
from hal.serial import SerialPort

NAME_LIMIT = 64
"""Bytes of a grant's or stream's name: what the manifest allows at most."""

_MEMORY = b"memory"

T = TypeVar("T")
G = TypeVar("G", GpioGrant, I2CGrant, SerialGrant)


@dataclass(frozen=True, slots=True)
class Granted(Generic[T]):
    """Hardware that is open, and by which grant."""

    grant: str
    thing: T


class Run:
    """Everything one run owns; `close` frees it. `change_twin` is for any thread."""

    memory: Memory
    """Of the guest; there from its first host call on."""

    def __init__(self, setup: GuestSetup, ticker: Ticker) -> None:
        limits = setup.limits
        now = clock.monotonic()
        self.setup = setup
        self.ending: Exit | None = None
        """Why the sandbox ended the guest, when it did."""
        self.calls = 0
        self.dropped_records = 0
        self.account = MemoryAccount(limits.memory)
        self.refusals_at_wait = 0
        """Refused growths up to the last wait."""
        self.parking = Parking(ticker, limits.watchdog)
        self.meter = CpuMeter(limits.cpu_share, limits.cpu_budget, now, clock.thread_cpu())
        self.log = LogSink(setup.services, limits.log_rate)
        self.records = TokenBucket(limits.telemetry_rate, now)
        self.events = HardwareEvents(self.parking.sources)
        self.descriptors = Descriptors(setup, self.log)
        numbers: set[int] = set()
        self.lines: Handles[Granted[Line]] = Handles(numbers)
        self.devices: Handles[Granted[I2CDevice]] = Handles(numbers)
        self.ports: Handles[Granted[SerialPort]] = Handles(numbers)
        self.streams: Handles[str] = Handles(numbers)
        self.outputs: dict[str, Line] = {}
        """Lines that keep driving though their handle was closed."""
        self._open: set[str] = set()
        self._bound = False
        self._lock = threading.Lock()
        self._twin_changes = 0
        self._stop_told = False

    def change_twin(self, count: int) -> None:
        """That many desired values changed. Any thread may call."""
        with self._lock:
            self._twin_changes += count
        self.parking.wake()

    def enter_call(self, caller: Any) -> None:
        """A host call begins."""
        self.calls += 1
        if not self._bound:
            self._bind(caller)

    def tick(self) -> None:
        """The guest is computing: hold it to its share, end it past its budget."""
        now = clock.monotonic()
        self.parking.check_stop(now)
        pause = self.meter.charge(clock.thread_cpu(), now)
        if self.meter.over_budget:
            raise GuestEndError(
                Exit(
                    ExitKind.OUT_OF_BUDGET,
                    message=f"used more than {self.setup.limits.cpu_budget:g} s of CPU "
                    "without a return to wait",
                )
            )
        if pause:
            self.parking.pause(pause)

    def refill(self) -> None:
        """The guest came back to wait: a new budget, after the pause it may owe."""
        now = clock.monotonic()
        self.parking.check_stop(now)
        pause = self.meter.charge(clock.thread_cpu(), now)
        if pause:
            self.parking.pause(pause)
        self.meter.refill(clock.thread_cpu())
        self.parking.blocked = 0.0
        self.refusals_at_wait = self.account.refusals

    def take_twin_changes(self) -> int:
        """Changes since the last call."""
        with self._lock:
            count, self._twin_changes = self._twin_changes, 0
        return count

    def take_stop(self) -> float | None:
        """When the guest will be interrupted, told once; None when it was told or need not stop."""
        if self._stop_told or self.parking.stop_at is None:
            return None
        self._stop_told = True
        return self.parking.stop_at

    def claim(self, pointer: int, length: int, kind: type[G]) -> tuple[str, G]:
        """The grant of that name and kind, now open; PERM when not granted, BUSY when open."""
        name = self.memory.text(pointer, length, NAME_LIMIT)
        grant = self.setup.grants.get(name)
        if not isinstance(grant, kind):
            raise CallError(Errno.PERM)
        if name in self._open:
            raise CallError(Errno.BUSY)
        return name, grant

    def hold(self, table: Handles[Granted[T]], grant: str, thing: T) -> int:
        """A handle for hardware just opened."""
        handle = table.add(Granted(grant, thing))
        self._open.add(grant)
        return handle

    def drop(self, table: Handles[Granted[T]], handle: int) -> Granted[T]:
        """Close a handle; what it held, which the caller closes."""
        granted = table.remove(handle)
        self._open.discard(granted.grant)
        self.events.forget(handle)
        return granted

    def close(self) -> None:
        """Release hardware and files; the guest has ended."""
        with contextlib.ExitStack() as closing:
            closing.callback(self.parking.close)
            closing.callback(self.descriptors.close)
            for line in self.outputs.values():
                closing.callback(line.close)
            for table in (self.lines, self.devices, self.ports):
                for granted in table.all():
                    closing.callback(granted.thing.close)

    def _bind(self, caller: Any) -> None:
        # The compiler checked that the export exists and is the only memory.
        export = ffi.wasmtime_extern_t()
        ffi.wasmtime_caller_export_get(caller, _MEMORY, len(_MEMORY), ctypes.byref(export))
        context = ffi.wasmtime_caller_context(caller)
        data = ffi.wasmtime_memory_data(context, ctypes.byref(export.of.memory))
        address = ctypes.cast(data, ctypes.c_void_p).value or 0
        self.memory = Memory(self.account.at(address))
        self._bound = True
