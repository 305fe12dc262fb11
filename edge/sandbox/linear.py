"""Linear memory that the node allocates itself, so that a refused growth is known exactly.

wasmtime tells nobody when its own limiter refuses `memory.grow`; its host-memory hook asks us for
every byte. A block reserves the app's whole limit at once and never moves; pages cost nothing
until touched. Compiled code checks every access against the current size (no guard pages), and
the heap that wasmtime keeps for exceptions counts against the same limit.
"""

import ctypes
import mmap
import threading
from typing import Any

from wasmtime import Config
from wasmtime import _bindings as ffi  # pyright: ignore[reportPrivateUsage]

_NO_FINALIZER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)()
_MAP_NORESERVE = 0x4000


class Block:
    """One allocation of the running guest: `size` bytes of `view` are its to use."""

    def __init__(self, minimum: int, reserve: int) -> None:
        self.size = minimum
        self.reserve = reserve
        self.view = mmap.mmap(
            -1, reserve, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        )
        self.view.madvise(mmap.MADV_NOHUGEPAGE)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.view))
        self.callbacks: tuple[Any, ...] = ()


class MemoryAccount:
    """All blocks of one run and the bytes they may have together. The guest's thread only."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.blocks: list[Block] = []
        self.refused_at_start = 0
        """Bytes the module wanted before its first instruction and did not get."""
        self.refusals = 0
        """Growths refused so far."""

    @property
    def used(self) -> int:
        """Bytes granted."""
        return sum(block.size for block in self.blocks)

    def allocate(self, minimum: int) -> Block | None:
        """A new block, None when it does not fit."""
        if self.used + minimum > self.limit:
            self.refused_at_start = self.used + minimum
            return None
        block = Block(minimum, -(-self.limit // mmap.PAGESIZE) * mmap.PAGESIZE)
        self.blocks.append(block)
        return block

    def grow(self, block: Block, size: int) -> bool:
        """Let `block` have `size` bytes; whether it fits."""
        if self.used - block.size + size > self.limit:
            self.refusals += 1
            return False
        block.size = size
        return True

    def at(self, address: int) -> Block:
        """The block that begins at this address of the process."""
        return next(block for block in self.blocks if block.address == address)

    def release(self) -> None:
        """Give the memory back; the store must be closed."""
        for block in self.blocks:
            block.callbacks = ()
        self.blocks.clear()


class _Current(threading.local):
    account: MemoryAccount | None = None


_current = _Current()


def use_account(account: MemoryAccount | None) -> None:
    """Charge what this thread's guest allocates to `account`."""
    _current.account = account


def install(config: Config) -> object:
    """Make engines of `config` allocate here; keep the returned object as long as the engine."""
    new_memory = ffi.wasmtime_new_memory_callback_t(_new_memory)
    creator = ffi.wasmtime_memory_creator_t(None, new_memory, _NO_FINALIZER)
    ffi.wasmtime_config_host_memory_creator_set(config.ptr(), ctypes.byref(creator))
    return new_memory


def _refusal(reason: str) -> int:
    pointer = ctypes.cast(ffi.wasmtime_error_new(reason.encode()), ctypes.c_void_p).value
    return pointer or 0


def _new_memory(
    _env: object, _type: object, minimum: int, _maximum: int, _reserve: int, _guard: int, out: Any
) -> int:
    # Nothing may be raised through the C frames below: ctypes would turn it into "success".
    try:
        account = _current.account
        block = account.allocate(minimum) if account else None
    except OSError as error:
        return _refusal(f"no memory: {error.strerror}")
    if account is None or block is None:
        return _refusal(f"{minimum} bytes of memory are over the limit")

    def get(_env: object, size: Any, capacity: Any) -> int:
        size[0] = block.size
        capacity[0] = block.reserve
        return block.address

    def grow(_env: object, size: int) -> int:
        return 0 if account.grow(block, size) else _refusal("over the memory limit")

    memory = out[0]
    memory.env = None
    memory.get_memory = ffi.wasmtime_memory_get_callback_t(get)
    memory.grow_memory = ffi.wasmtime_memory_grow_callback_t(grow)
    memory.finalizer = _NO_FINALIZER
    block.callbacks = (memory.get_memory, memory.grow_memory)
    return 0
