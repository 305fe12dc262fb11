"""Frames on a byte stream: COBS with a zero at the end, CRC-32 of the content before it.

Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999) keeps zeros out of a frame, so a
receiver that lost its place finds the next one. CRC-32 is that of Ethernet, little-endian.
"""

from binascii import crc32

CRC_BYTES = 4
FRAME_LIMIT = 1200
"""Bytes of content: an SMP upload of 1 KiB with its header. A microcontroller holds two of them."""
_RUN = 254
"""Bytes after one code byte."""


def encode(content: bytes | bytearray | memoryview) -> bytes:
    """The frame of a content, with a zero before it, which ends what noise may have begun."""
    body = bytes(content) + crc32(content).to_bytes(CRC_BYTES, "little")
    out = bytearray(1)
    start = 0
    while True:
        end = body.find(b"\0", start, start + _RUN)
        if end < 0:
            end = min(start + _RUN, len(body))
            out.append(end - start + 1)
            out += body[start:end]
            if end == len(body):
                break
            start = end
        else:
            out.append(end - start + 1)
            out += body[start:end]
            start = end + 1
    out.append(0)
    return bytes(out)


class Reader:
    """Finds frames in whatever chunks arrive; what is damaged or too long is dropped and counted."""

    def __init__(self, limit: int = FRAME_LIMIT) -> None:
        self.dropped = 0
        """Frames that were damaged, cut or too long."""
        self._limit = limit
        most = limit + CRC_BYTES
        self._room = bytearray(most + most // _RUN + 1)
        """What came of a frame, coded; decoded in its place, as decoding never makes it longer."""
        self._view = memoryview(self._room)
        self._size = 0
        self._bad = False

    def feed(self, chunk: bytes | bytearray | memoryview) -> list[bytes]:
        """The contents that this chunk completes."""
        found: list[bytes] = []
        data = bytes(chunk)
        at, end = 0, data.find(b"\0")
        while end >= 0:
            if at < end:
                self._put(data[at:end])
            if self._size or self._bad:
                self._end(found)
            at = end + 1
            end = data.find(b"\0", at)
        if at < len(data):
            self._put(data[at:])
        return found

    def _put(self, part: bytes) -> None:
        end = self._size + len(part)
        if end <= len(self._room):
            self._room[self._size : end] = part
            self._size = end
        else:
            self._bad = True

    def _end(self, found: list[bytes]) -> None:
        """A zero has come: what was put is a whole frame, or damaged."""
        size = -1 if self._bad else _decoded(self._room, self._size) - CRC_BYTES
        if 0 <= size <= self._limit and crc32(self._view[:size]) == int.from_bytes(
            self._room[size : size + CRC_BYTES], "little"
        ):
            found.append(bytes(self._view[:size]))
        else:
            self.dropped += 1
        self._size = 0
        self._bad = False


def _decoded(room: bytearray, size: int) -> int:
    """Take the coding off the first `size` bytes, none of them a zero; how many are left, 0 when they end in a run."""
    at = end = 0
    while at < size:
        code = room[at]
        after = at + code
        if after > size:
            return 0
        room[end : end + code - 1] = room[at + 1 : after]
        end += code - 1
        if code <= _RUN and after < size:
            room[end] = 0
            end += 1
        at = after
    return end
