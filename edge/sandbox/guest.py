"""One run of one app: from compiled code to the reason it ended.

`run` holds the calling thread until the app ends and never raises for anything the app does;
`start` gives it a thread of its own. All other methods are for any thread, at any time.
"""

import contextlib
import ctypes
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wasmtime import Func, Module, Store, Trap, WasmtimeError
from wasmtime import _bindings as ffi  # pyright: ignore[reportPrivateUsage]

from edge.sandbox import binding, linear
from edge.sandbox.engine import THREAD_STACK, Engine
from edge.sandbox.errors import GuestEndError
from edge.sandbox.exits import Exit, ExitKind
from edge.sandbox.run import Run
from edge.sandbox.setup import GuestSetup
from hal import clock

TABLE_LIMIT = 1 << 16
"""Elements of all tables of an app, 8 bytes each: MicroPython, full of callbacks, has 1,500."""
TABLES_LIMIT = 4
FRAMES_LIMIT = 16
"""Functions named in the message of a trap."""

_log = logging.getLogger(__name__)
_stack_size_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run has used so far."""

    cpu: float = 0.0
    """CPU seconds, as of the last beat, wait or end."""
    memory: int = 0
    """Bytes of memory granted."""
    calls: int = 0
    """Host calls made."""
    dropped_records: int = 0
    dropped_lines: int = 0


class Guest:
    """One run; make another for the next."""

    def __init__(self, engine: Engine, compiled: Path, setup: GuestSetup) -> None:
        """`compiled` is what `compile_module` returned."""
        self._engine = engine
        self._compiled = compiled
        self._setup = setup
        self._lock = threading.Lock()
        self._run: Run | None = None
        self._stop_at: float | None = None
        self._usage = Usage()

    def start(self, on_exit: Callable[[Exit], None]) -> threading.Thread:
        """Run on a new thread, which calls `on_exit` once at the end."""
        thread = threading.Thread(
            target=lambda: on_exit(self.run()), name=f"app {self._setup.name}", daemon=True
        )
        with _stack_size_lock:
            before = threading.stack_size(THREAD_STACK)
            try:
                thread.start()
            finally:
                threading.stack_size(before)
        return thread

    def stop(self, grace: float) -> None:
        """Send STOP, and interrupt the app once `grace` seconds have passed; returns at once."""
        with self._lock:
            self._stop_at = clock.monotonic() + grace
            if self._run is not None:
                self._run.parking.stop(self._stop_at)

    def notify_twin(self, count: int) -> None:
        """Tell the app that `count` desired values changed."""
        with self._lock:
            if self._run is not None:
                self._run.change_twin(count)

    def usage(self) -> Usage:
        """What it has used; final once it has ended."""
        with self._lock:
            return self._usage if self._run is None else _usage(self._run)

    def run(self) -> Exit:
        """Run the app on this thread; why it ended."""
        try:
            run = Run(self._setup, self._engine.ticker)
        except Exception as error:  # noqa: BLE001  whatever is wrong, only this app is down
            return _our_fault(self._setup.name, error)
        with self._lock:
            self._run = run
            run.parking.stop_at = self._stop_at
        try:
            return self._perform(run)
        except Exception as error:  # noqa: BLE001
            return _our_fault(self._setup.name, error)
        finally:
            with self._lock:
                self._run = None
            _close(run)

    def _perform(self, run: Run) -> Exit:
        binding.use_run(run)
        linear.use_account(run.account)
        store = Store(self._engine.wasmtime)
        self._engine.ticker.enter()
        try:
            end = self._call(run, store)
        finally:
            self._engine.ticker.leave()
            run.meter.charge(clock.thread_cpu(), clock.monotonic())
            self._usage = _usage(run)
            store.close()
            linear.use_account(None)
            run.account.release()
        return _final(run, end)

    def _call(self, run: Run, store: Store) -> Exit:
        store.set_limits(table_elements=TABLE_LIMIT, instances=1, tables=TABLES_LIMIT, memories=1)
        store.set_epoch_deadline(1)
        ffi.wasmtime_store_epoch_deadline_callback(store.ptr(), _ON_EPOCH, None, _NO_FINALIZER)
        started = False
        try:
            with contextlib.closing(
                Module.deserialize_file(self._engine.wasmtime, str(self._compiled))
            ) as module:
                instance = self._engine.linker.instantiate(store, module)
                main = instance.exports(store)["_start"]
                assert isinstance(main, Func)  # noqa: S101  the compiler checked it
                started = True
                main(store)
        except Trap as trap:
            return run.ending or _trapped(trap)
        except WasmtimeError as error:
            if run.ending is not None:
                return run.ending
            if started:
                return Exit(ExitKind.TRAPPED, message=str(error))
            return Exit(ExitKind.FAILED, message=_start_failure(run, error))
        return Exit(ExitKind.EXITED, code=0)


def _close(run: Run) -> None:
    try:
        run.close()
    except Exception:  # noqa: BLE001
        # The app has ended either way, and its supervisor must hear of it.
        _log.exception("app %s: its hardware or files did not close", run.setup.name)


def _usage(run: Run) -> Usage:
    return Usage(
        cpu=run.meter.used,
        memory=run.account.used,
        calls=run.calls,
        dropped_records=run.dropped_records,
        dropped_lines=run.log.dropped,
    )


def _our_fault(name: str, error: Exception) -> Exit:
    _log.error("app %s: the sandbox failed", name, exc_info=error)
    return Exit(ExitKind.FAILED, message=f"{type(error).__name__}: {error}")


def _start_failure(run: Run, error: WasmtimeError) -> str:
    if run.account.refused_at_start:
        return (
            f"needs {run.account.refused_at_start} bytes of memory to start, "
            f"its limit is {run.account.limit}: raise limits.memory, or link with a smaller stack"
        )
    return f"could not start: {error}"


def _trapped(trap: Trap) -> Exit:
    code = trap.trap_code
    reason = code.name.lower().replace("_", " ") if code else trap.message.splitlines()[0]
    frames = trap.frames
    names = [frame.func_name or f"function {frame.func_index}" for frame in frames[:FRAMES_LIMIT]]
    if len(frames) > FRAMES_LIMIT:
        names.append(f"{len(frames) - FRAMES_LIMIT} more")
    where = " < ".join(names)
    return Exit(ExitKind.TRAPPED, message=f"{reason} in {where}" if where else reason)


def _final(run: Run, end: Exit) -> Exit:
    """The end as it shows: a stop that was asked for, or memory that was refused, explain it."""
    stopping = run.parking.stop_at is not None
    if end.kind is ExitKind.EXITED and stopping:
        return Exit(ExitKind.STOPPED, end.code, "stopped when asked to")
    failed = end.kind is ExitKind.TRAPPED or (end.kind is ExitKind.EXITED and end.code != 0)
    if failed and run.account.refusals > run.refusals_at_wait:
        cause = end.message or f"exit code {end.code}"
        return Exit(
            ExitKind.OUT_OF_MEMORY,
            end.code,
            f"{cause}, after the memory limit of {run.account.limit} bytes refused it more",
        )
    return end


def _on_epoch(_context: Any, _data: Any, delta: Any, kind: Any) -> int:
    run = binding.current_run()
    # Nothing may be raised through the C frames below.
    try:
        run.tick()
    except GuestEndError as error:
        run.ending = error.end
    except Exception as error:  # noqa: BLE001
        run.ending = _our_fault(run.setup.name, error)
    if run.ending is not None:
        text = ffi.wasmtime_error_new(run.ending.message.encode())
        return ctypes.cast(text, ctypes.c_void_p).value or 0
    delta[0] = 1
    kind[0] = _CONTINUE
    return 0


_CONTINUE = 0
_NO_FINALIZER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)()
_ON_EPOCH = ctypes.CFUNCTYPE(
    ctypes.c_size_t,
    ctypes.POINTER(ffi.wasmtime_context_t),
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_uint64),
    ctypes.POINTER(ffi.wasmtime_update_deadline_kind_t),
)(_on_epoch)
