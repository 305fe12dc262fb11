"""The wasmtime engine of the node, its settings, and what guests can import.

Compiled code is only good for the settings, the wasmtime version and the CPU it was made for;
`fingerprint` names all three.
"""

import hashlib
import platform
from pathlib import Path

from wasmtime import Config, Linker
from wasmtime import Engine as WasmtimeEngine
from wasmtime import _ffi as ffi  # pyright: ignore[reportPrivateUsage]

from edge.sandbox import linear
from edge.sandbox.binding import define
from edge.sandbox.host import MODULES
from edge.sandbox.ticker import Ticker

WASM_STACK = 2 << 20
"""Bytes of stack for a guest: MicroPython's interpreter recurses deeply."""
THREAD_STACK = WASM_STACK + (1 << 20)
"""Bytes of stack of a guest's thread: a host call at the deepest point still has a megabyte."""

SETTINGS: dict[str, bool | int | str] = {
    "strategy": "cranelift",
    "cranelift_opt_level": "speed",
    "epoch_interruption": True,
    "max_wasm_stack": WASM_STACK,
    "wasm_exceptions": True,
    "wasm_memory64": False,
    "wasm_multi_memory": False,
    "wasm_threads": False,
    # `linear` reserves each app's own limit: no gigabytes of address space, which small boards
    # may not have (wasmCloud#5066), and no guard pages.
    "memory_reservation": 0,
    "memory_reservation_for_growth": 0,
    "memory_guard_size": 0,
    # It never does; but with False wasmtime refuses growth past the reservation by itself.
    "memory_may_move": True,
    "memory_init_cow": False,
    # Traps are checked for, not caught from the CPU: whoever installs a signal handler after us
    # (faulthandler does) would otherwise turn an app's trap into the agent's death.
    "signals_based_traps": False,
    # A small compiler on two cores, in a child with a bounded address space.
    "parallel_compilation": False,
}


def engine_config() -> Config:
    """The settings that compiled code depends on; the compiler and the agent use the same."""
    config = Config()
    for name, value in SETTINGS.items():
        setattr(config, name, value)
    return config


def fingerprint() -> str:
    """Identity of settings, wasmtime and CPU: 16 hexadecimal digits."""
    identity = (sorted(SETTINGS.items()), _release(), platform.machine(), _cpu())
    return hashlib.sha256(repr(identity).encode()).hexdigest()[:16]


def _release() -> list[str]:
    """Version of wasmtime, as its package says and as the size of its library shows."""
    library = Path(ffi.filename)
    packages = library.parent.parent.parent.glob("wasmtime-*.dist-info")
    return [*sorted(package.name for package in packages), str(library.stat().st_size)]


def _cpu() -> list[str]:
    """What the first processor says of itself (Linux: x86 has `flags`, Arm has `Features`)."""
    interesting = {"model name", "flags", "Features", "CPU implementer", "CPU part"}
    first = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split("\n\n")[0]
    return [line for line in first.splitlines() if line.partition("\t")[0] in interesting]


class Engine:
    """What all guests of a node share. Any thread may use it; close it after the last guest."""

    def __init__(self) -> None:
        config = engine_config()
        self._memory_hook = linear.install(config)
        self.wasmtime = WasmtimeEngine(config)
        self.linker = Linker(self.wasmtime)
        self._callbacks = define(self.linker, MODULES)
        self.ticker = Ticker(self.wasmtime.increment_epoch)

    def close(self) -> None:
        """Free the engine; no guest may run."""
        self.ticker.close()
        self.linker.close()
        self.wasmtime.close()
