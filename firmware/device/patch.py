"""Applies a patch: what detools makes, sequential with `crle`, in the wrapping that we send.

    wrapping:  "SKD1" | length of the base | MCUboot digests of base and result | SHA-256 of the result
    detools:   0x02 | length of the result | crle of: 0, then records
    record:    n, n bytes added to those of the base | m, m bytes | how far to go on in the base
    crle:      0, n, n bytes | 1, n, a byte that stands n times

Numbers of detools are a continue bit, a sign, six bits, then seven at a time; those of crle have no
sign and begin with seven. Runs are what this can read fast: most of a patch is zeros, and those are
copies of the base.

Memory is two blocks. The base is read nowhere but inside its length, the result has exactly the length
that is said, and nothing follows its end. Whether it is the right result says its digest, not this.
CPython and MicroPython run this same file.
"""

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:  # MicroPython has no typing
    from collections.abc import Callable, Iterator

GROUP = 66
COMMAND = 0
"""Of the request that carries one: `patches.py`."""
LIMIT = 128 << 10
"""Bytes of a patch: half of an image today, and an eighth of `mps2`'s file system."""
MAGIC = b"SKD1"
_HEAD = "<4sI32s32s32s"
HEAD_BYTES = 104
BLOCK = 1024
"""Bytes that are made in a step: some milliseconds on a microcontroller."""
_BUFFER = 512
_NUMBER_BITS = 30
"""Of a length: more than any flash here, and MicroPython's small integers."""
_SEQUENTIAL_CRLE = 0x02
_SCATTERED, _REPEATED = 0, 1


class PatchError(ValueError):
    """Bytes that are no patch, or not one of this base."""


def head(data: bytes) -> tuple[int, bytes, bytes, bytes]:
    """(length of the base, digest of the base, digest of the result, SHA-256 of the result)."""
    if len(data) < HEAD_BYTES:
        raise PatchError("patch: shorter than its header")
    magic, length, base, result, sha = struct.unpack(_HEAD, data[:HEAD_BYTES])
    if magic != MAGIC:
        raise PatchError("patch: none of ours; make one: skerry firmware delta")
    return length, base, result, sha


def wrapping(length: int, base: bytes, result: bytes, sha: bytes) -> bytes:
    """What `head` reads."""
    return struct.pack(_HEAD, MAGIC, length, base, result, sha)


class Patch:
    """One that is being applied.

    `read(n)`: up to n bytes of what follows the wrapping, none at its end. `base(at, n)`: n bytes of
    the base, which has `base_length`.
    """

    def __init__(
        self,
        read: "Callable[[int], bytes]",
        base: "Callable[[int, int], bytes]",
        base_length: int,
    ) -> None:
        self._stream = _Stream(read)
        self._base = base
        self._base_length = base_length
        if self._stream.raw(1)[0] != _SEQUENTIAL_CRLE:
            raise PatchError("patch: not sequential with crle, as skerry firmware delta makes it")
        self.length = _length(self._stream.raw, "the result")
        """Of the result."""
        if self.length == 0:
            raise PatchError("patch: of nothing")
        self._block = bytearray(BLOCK)
        self._filled = self._made = self._position = 0

    def blocks(self) -> "Iterator[bytes | bytearray]":
        """The result, BLOCK bytes at a time but for the last; empty where a record ends.

        A block is overwritten by the next one.
        """
        stream = self._stream
        if _number(stream.plain) != 0:
            raise PatchError("patch: with a data format, which is not supported")
        while self._made < self.length:
            yield from self._part(adds=True)
            yield from self._part(adds=False)
            self._position += _number(stream.plain)
            yield b""
        if not stream.ended():
            raise PatchError("patch: goes on after its end")
        if self._filled:
            yield bytes(self._block[: self._filled])

    def _part(self, *, adds: bool) -> "Iterator[bytearray]":
        """Half of a record: bytes that are added to those of the base, or new ones."""
        left = _length(self._stream.plain, "a record")
        if left > self.length - self._made:
            raise PatchError("patch: longer than the length it says")
        if adds and left and not 0 <= self._position <= self._base_length - left:
            raise PatchError("patch: reads outside its base")
        while left:
            at = self._filled
            count = self._stream.piece(self._block, at, min(left, BLOCK - at))
            if adds:
                self._add(memoryview(self._block)[at : at + count], self._stream.zeros)
            self._filled += count
            self._made += count
            left -= count
            if self._filled == BLOCK:
                yield self._block
                self._filled = 0

    def _add(self, part: memoryview, zeros: bool) -> None:  # noqa: FBT001
        old = self._base(self._position, len(part))
        self._position += len(part)
        if zeros:
            part[:] = old
            return
        for at in range(len(part)):
            part[at] = (part[at] + old[at]) & 255


class _Stream:
    """Undoes crle."""

    def __init__(self, read: "Callable[[int], bytes]") -> None:
        self._read = read
        self._buffer = b""
        self._at = 0
        self._left = 0
        """Of the segment."""
        self._byte = -1
        """What stands in it again and again; -1: its bytes follow."""
        self._one = bytearray(1)
        self.zeros = False
        """Whether the last piece was nothing but."""

    def raw(self, count: int) -> bytes:
        """1 to `count` bytes as they are stored."""
        if self._at == len(self._buffer) and not self._more():
            raise PatchError("patch: it is cut off")
        found = self._buffer[self._at : self._at + count]
        self._at += len(found)
        return found

    def plain(self, _count: int) -> bytearray:
        """A byte that is not compressed any more."""
        self.piece(self._one, 0, 1)
        return self._one

    def piece(self, into: bytearray, at: int, count: int) -> int:
        """Put 1 to `count` bytes into `into` at `at`; how many they were."""
        if not self._left:
            kind = self.raw(1)[0]
            if kind > _REPEATED:
                raise PatchError("patch: neither bytes nor a run where one begins")
            self._left = _number(self.raw, signed=False)
            if not self._left:
                raise PatchError("patch: a segment of nothing")
            self._byte = self.raw(1)[0] if kind == _REPEATED else -1
        count = min(count, self._left)
        if self._byte < 0:
            found = self.raw(count)
            count = len(found)
            into[at : at + count] = found
        else:
            into[at : at + count] = bytes([self._byte]) * count
        self.zeros = self._byte == 0
        self._left -= count
        return count

    def ended(self) -> bool:
        """Whether nothing follows."""
        return not self._left and self._at == len(self._buffer) and not self._more()

    def _more(self) -> bool:
        self._buffer, self._at = self._read(_BUFFER), 0
        return bool(self._buffer)


def _number(read: "Callable[[int], bytes | bytearray]", *, signed: bool = True) -> int:
    byte = read(1)[0]
    shift = 6 if signed else 7
    negative, value = signed and byte & 0x40, byte & ((1 << shift) - 1)
    while byte & 0x80:
        if shift > _NUMBER_BITS - 7:
            raise PatchError("patch: a number that is larger than any flash")
        byte = read(1)[0]
        value |= (byte & 0x7F) << shift
        shift += 7
    return -value if negative else value


def _length(read: "Callable[[int], bytes | bytearray]", what: str) -> int:
    found = _number(read)
    if found < 0:
        raise PatchError(f"patch: the length of {what} is below zero")
    return found
