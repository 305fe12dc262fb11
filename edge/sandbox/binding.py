"""How a Python function becomes an import: one line of a table each.

Arguments reach it as unsigned 32-bit or signed 64-bit integers. It returns the result, or raises:
CallError and every error that `errno_of` knows give the guest an error number, GuestEndError ends
the guest, and anything else is our own fault: the guest ends as Failed and the agent lives.
"""

import ctypes
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from wasmtime import FuncType, Linker, ValType, WasmtimeError
from wasmtime import _bindings as ffi  # pyright: ignore[reportPrivateUsage]

from edge.sandbox.errors import CallError, GuestEndError, errno_of
from edge.sandbox.exits import Exit, ExitKind
from edge.sandbox.run import Run

_log = logging.getLogger(__name__)

U32 = 0xFFFF_FFFF
_MASKS = {"i": U32, "I": -1}
_TYPES = {"i": ValType.i32, "I": ValType.i64}
_SLOT = 2
"""A raw wasm value takes 16 bytes: two of the 64-bit integers it is read as."""

_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.POINTER(ffi.wasmtime_caller_t),
    ctypes.POINTER(ctypes.c_int64),
    ctypes.c_size_t,
)
_NO_FINALIZER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)()


@dataclass(frozen=True, slots=True)
class HostFunction:
    """One import. Its signature is written `ii->i`: `i` is i32, `I` is i64."""

    name: str
    signature: str
    call: Callable[..., int | None]

    @property
    def params(self) -> str:
        """Letters of the parameters."""
        return self.signature.partition("->")[0]

    @property
    def results(self) -> str:
        """Letter of the result, or nothing."""
        return self.signature.partition("->")[2]

    def type(self) -> FuncType:
        """The wasm type."""
        return FuncType(
            [_TYPES[letter]() for letter in self.params],
            [_TYPES[letter]() for letter in self.results],
        )


@dataclass(frozen=True, slots=True)
class HostModule:
    """The functions a guest imports from one module."""

    name: str
    functions: tuple[HostFunction, ...]
    error_sign: int = -1
    """Errors are returned as -errno; WASI's own functions return +errno."""


class _Current(threading.local):
    run: Run


_current = _Current()


def use_run(run: Run) -> None:
    """Host calls on this thread belong to `run`."""
    _current.run = run


def current_run() -> Run:
    """The run of this thread."""
    return _current.run


def define(linker: Linker, modules: Iterable[HostModule]) -> list[object]:
    """Make every function importable; keep the returned objects as long as the linker."""
    callbacks: list[object] = []
    for module in modules:
        for function in module.functions:
            callback = _CALLBACK(_thunk(function, module.error_sign))
            callbacks.append(callback)
            wasm_type = function.type()
            error = ffi.wasmtime_linker_define_func_unchecked(
                linker.ptr(),
                ctypes.create_string_buffer(module.name.encode()),
                len(module.name),
                ctypes.create_string_buffer(function.name.encode()),
                len(function.name),
                wasm_type.ptr(),
                ctypes.cast(callback, ffi.wasmtime_func_unchecked_callback_t),
                None,
                _NO_FINALIZER,
            )
            if error:  # type: ignore[truthy-bool]  # a C pointer: false when NULL
                raise WasmtimeError._from_ptr(error)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return callbacks


def _thunk(function: HostFunction, sign: int) -> Callable[[Any, Any, Any, int], int]:
    """The C callback of `function`: nothing may be raised through it."""
    call = function.call
    slots = tuple((_SLOT * at, _MASKS[letter]) for at, letter in enumerate(function.params))

    def thunk(_env: object, caller: Any, raw: Any, _count: int) -> int:
        run = _current.run
        try:
            run.enter_call(caller)
            result = call(run, *[raw[at] & mask for at, mask in slots])
            if result is not None:
                raw[0] = result
        except CallError as error:
            raw[0] = sign * error.errno
        except GuestEndError as error:
            return end_guest(run, error.end)
        except Exception as error:  # noqa: BLE001  raised into C it would vanish
            number = errno_of(error)
            if number is None:
                return end_guest(run, _our_fault(run, function.name, error))
            raw[0] = sign * number
        return 0

    return thunk


def end_guest(run: Run, end: Exit) -> int:
    """Remember why the guest ends; the trap that ends it, owned by whoever receives it."""
    run.ending = end
    text = end.message.encode()
    return ctypes.cast(ffi.wasmtime_trap_new(text, len(text)), ctypes.c_void_p).value or 0


def _our_fault(run: Run, function: str, error: Exception) -> Exit:
    _log.error("app %s: host function %s failed", run.setup.name, function, exc_info=error)
    return Exit(
        ExitKind.FAILED,
        message=f"the node failed in {function}: {type(error).__name__}: {error}; see its log",
    )
