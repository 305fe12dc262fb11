"""The other end of the emulated microcontroller's GPIO0 to GPIO7: words at the end of its flash file."""

import mmap
import struct
from pathlib import Path

from tests.support.system import until

_AT = 0x00FF_F000
_IN, _OUT, _DRIVEN, _SEEN = range(4)


class Lines:
    """What the outside drives and sees. One thread."""

    def __init__(self, flash: Path) -> None:
        """Of a microcontroller that is on."""
        with flash.open("r+b") as file:
            self._words = mmap.mmap(file.fileno(), 4096, offset=_AT)

    def close(self) -> None:
        self._words.close()

    def set(self, number: int, *, level: bool) -> None:
        """Drive a line; when this returns, the microcontroller has looked at it."""
        wanted = self._word(_IN) & ~(1 << number) | level << number
        self._words[0:4] = struct.pack("<I", wanted)
        until(lambda: self._word(_SEEN) == wanted, "the lines were looked at")

    def level(self, number: int) -> bool:
        """What a line has now, whoever drives it."""
        driven = self._word(_DRIVEN) >> number & 1
        return bool(self._word(_OUT if driven else _IN) >> number & 1)

    def driven(self, number: int) -> bool:
        """Whether the microcontroller drives it."""
        return bool(self._word(_DRIVEN) >> number & 1)

    def _word(self, number: int) -> int:
        return struct.unpack_from("<I", self._words, number * 4)[0]
