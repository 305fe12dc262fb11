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
        self._room = bytearray(limit + CRC_BYTES)
        self._view = memoryview(self._room)
        self._size = 0
        self._left = 0
        """Bytes before the next code byte."""
        self._zero = False
        """The run that goes on ends with a zero."""
        self._bad = False
        self._begun = False

    def feed(self, chunk: bytes | bytearray | memoryview) -> list[bytes]:
        """The contents that this chunk completes."""
        found: list[bytes] = []
        data = bytes(chunk)
        at = 0
        while at < len(data):
            if self._left and data[at]:
                at += self._take(data, at)
                continue
            byte = data[at]
            at += 1
            if byte == 0:
                if self._begun:
                    self._end(found)
            else:
                if self._begun and self._zero:
                    self._put(b"\0")
                self._begun = True
                self._left = byte - 1
                self._zero = byte <= _RUN
        return found

    def _take(self, data: bytes, at: int) -> int:
        """As much of a run as is here; how many bytes that is."""
        end = min(at + self._left, len(data))
        cut = data.find(b"\0", at, end)
        if cut >= 0:
            end = cut
        self._left -= end - at
        self._put(data[at:end])
        return end - at

    def _put(self, run: bytes) -> None:
        end = self._size + len(run)
        if end <= len(self._room):
            self._room[self._size : end] = run
            self._size = end
        else:
            self._bad = True

    def _end(self, found: list[bytes]) -> None:
        size = self._size - CRC_BYTES
        whole = not self._bad and self._left == 0 and size >= 0
        if whole and crc32(self._view[:size]) == int.from_bytes(
            bytes(self._view[size : self._size]), "little"
        ):
            found.append(bytes(self._view[:size]))
        else:
            self.dropped += 1
        self._size = 0
        self._left = 0
        self._zero = self._bad = self._begun = False
