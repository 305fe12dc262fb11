"""The guest's memory as host functions see it: every pointer and length is checked here, once."""

import struct

from edge.sandbox.errnos import Errno
from edge.sandbox.errors import CallError
from edge.sandbox.linear import Block

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


class Memory:
    """Checked access by (pointer, length), both unsigned; raises CallError FAULT.

    A length of 0 touches nothing, so any pointer is good for it.
    """

    def __init__(self, block: Block) -> None:
        self._block = block
        self._view = block.view

    def check(self, pointer: int, length: int) -> None:
        """Raise unless all `length` bytes are the guest's."""
        if length and pointer + length > self._block.size:
            raise CallError(Errno.FAULT)

    def read(self, pointer: int, length: int) -> bytes:
        """A copy of the bytes; callers bound `length` first."""
        self.check(pointer, length)
        return self._view[pointer : pointer + length] if length else b""

    def write(self, pointer: int, data: bytes) -> None:
        """Put the bytes there."""
        if data:
            self.check(pointer, len(data))
            self._view[pointer : pointer + len(data)] = data

    def fill(self, pointer: int, capacity: int, data: bytes) -> int:
        """Put all of `data` into a buffer of `capacity` and return its length, or OVERFLOW."""
        if len(data) > capacity:
            raise CallError(Errno.OVERFLOW)
        self.write(pointer, data)
        return len(data)

    def text(self, pointer: int, length: int, limit: int) -> str:
        """UTF-8 of 1 to `limit` bytes without NUL; INVAL otherwise."""
        if not 1 <= length <= limit:
            raise CallError(Errno.INVAL)
        try:
            text = self.read(pointer, length).decode()
        except UnicodeDecodeError:
            raise CallError(Errno.INVAL) from None
        if "\0" in text:
            raise CallError(Errno.INVAL)
        return text

    def u32(self, pointer: int) -> int:
        """One unsigned 32-bit number."""
        self.check(pointer, _U32.size)
        return int(_U32.unpack_from(self._view, pointer)[0])

    def put_u32(self, pointer: int, value: int) -> None:
        """Store one unsigned 32-bit number."""
        self.check(pointer, _U32.size)
        _U32.pack_into(self._view, pointer, value)

    def put_u64(self, pointer: int, value: int) -> None:
        """Store one unsigned 64-bit number."""
        self.check(pointer, _U64.size)
        _U64.pack_into(self._view, pointer, value & (1 << 64) - 1)
