"""SMP on a serial console, as mcumgr does it: for boards with Zephyr or MCUboot at the other end.

A packet is its length (16 bits, big-endian, checksum counted), the SMP message, and a CRC-16 of the
message (XMODEM, big-endian). It is sent as lines of base64, each with two bytes before it that no
text has: 06 09 for a first line, 04 14 for one that goes on. Other lines are the console's own.
"""

from binascii import a2b_base64, b2a_base64

from firmware.link.frame import FRAME_LIMIT

FIRST, MORE = b"\x06\x09", b"\x04\x14"
LINE_LIMIT = 127
"""Bytes of a line with its end; Zephyr's MCUMGR_SERIAL_MAX_FRAME."""
_RAW = (LINE_LIMIT - 3) // 4 * 3
"""Bytes before base64 that a line takes."""
_LENGTH_BYTES = CRC_BYTES = 2
_POLYNOMIAL = 0x1021
_NEWLINE = 0x0A


def encode(message: bytes) -> bytes:
    """The lines of a message; ValueError for one that is longer than a frame."""
    if len(message) > FRAME_LIMIT:
        raise ValueError("console: longer than a frame")
    packet = (
        (len(message) + CRC_BYTES).to_bytes(_LENGTH_BYTES, "big")
        + message
        + crc16(message).to_bytes(CRC_BYTES, "big")
    )
    out = bytearray()
    for start in range(0, len(packet), _RAW):
        out += MORE if start else FIRST
        out += b2a_base64(packet[start : start + _RAW])
    return bytes(out)


class Reader:
    """Finds messages among a console's lines; what is damaged or too long is dropped and counted."""

    def __init__(self) -> None:
        self.dropped = 0
        """Packets that were damaged, cut or too long."""
        self._line = bytearray()
        self._packet = bytearray()
        self._wanted = 0
        """Bytes of the packet with its length; 0: none has begun."""

    def feed(self, chunk: bytes | bytearray | memoryview) -> list[bytes]:
        """The messages that this chunk completes."""
        found: list[bytes] = []
        for byte in chunk:
            if byte == _NEWLINE:
                self._take(bytes(self._line), found)
                self._line = bytearray()
            elif len(self._line) < LINE_LIMIT:
                self._line.append(byte)
        return found

    def _take(self, line: bytes, found: list[bytes]) -> None:
        first = line.rfind(FIRST)  # a prompt may stand before it
        if first >= 0:
            if self._wanted:
                self._drop()
            self._begin(_decoded(line[first + 2 :]))
        elif line[:2] == MORE and self._wanted:
            part = _decoded(line[2:])
            if not part:
                self._drop()
                return
            self._packet += part
        else:
            return
        if self._wanted and len(self._packet) >= self._wanted:
            self._end(found)

    def _begin(self, part: bytes) -> None:
        length = int.from_bytes(part[:_LENGTH_BYTES], "big")
        if len(part) < _LENGTH_BYTES or not CRC_BYTES <= length <= FRAME_LIMIT + CRC_BYTES:
            self._drop()
            return
        self._wanted = _LENGTH_BYTES + length
        self._packet = bytearray(part)

    def _end(self, found: list[bytes]) -> None:
        message = bytes(self._packet[_LENGTH_BYTES : self._wanted - CRC_BYTES])
        sum_at = self._wanted - CRC_BYTES
        told = int.from_bytes(bytes(self._packet[sum_at : self._wanted]), "big")
        if len(self._packet) == self._wanted and told == crc16(message):
            found.append(message)
            self._packet = bytearray()
            self._wanted = 0
        else:
            self._drop()

    def _drop(self) -> None:
        self.dropped += 1
        self._packet = bytearray()
        self._wanted = 0


def crc16(data: bytes) -> int:
    """CRC-16/XMODEM."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ _POLYNOMIAL if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def _decoded(text: bytes) -> bytes:
    """Bytes of base64; empty when it is none."""
    try:
        return a2b_base64(text)
    except ValueError:
        return b""
