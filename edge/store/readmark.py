"""Keeps sending and dropping apart, so that a gap never counts a reading that was sent.

The cloud ignores entries up to its high-water mark. A gap for one entry takes that entry's
sequence number, so it is exact whether or not the entry had arrived. Entries merged into one gap
must therefore all lie above everything that was ever read for sending: above the mark.

The mark outlives a crash in a small file beside the journals, written without a sync; a power cut
may lose it, and a gap may then count records that had arrived (never too few).
"""

import os
import struct
import threading
import zlib
from contextlib import suppress
from pathlib import Path

_FILE = struct.Struct(">QI")


class ReadMark:
    """The highest sequence number ever read. Readers raise it, the writer asks before it drops."""

    def __init__(self, directory: Path, identity: bytes, value: int) -> None:
        """Start from `value` or what the file of the store `identity` says, if that is higher."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / f"outbox-{identity.hex()}.mark"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._changed = threading.Condition()
        self._file: int | None = handle
        self._value = max(value, _parse(os.pread(handle, _FILE.size, 0)))
        self._dropping = False
        self._drops = 0

    @property
    def value(self) -> int:
        """Everything up to here may have been sent."""
        return self._value

    @property
    def drops(self) -> int:
        """Transactions that dropped entries; a snapshot is current while this does not change."""
        with self._changed:
            return self._drops

    def raise_to(self, seq: int) -> int:
        """Mark everything up to `seq` as read; `drops` once no transaction is dropping."""
        with self._changed:
            if seq > self._value:
                self._value = seq
                self._write_through()
            self._changed.wait_for(lambda: not self._dropping)
            return self._drops

    def begin_drop(self) -> int:
        """The mark to respect in this transaction; readers wait until `end_drop`."""
        with self._changed:
            self._dropping = True
            return self._value

    def end_drop(self) -> None:
        """The transaction is over, whatever became of it."""
        with self._changed:
            if self._dropping:
                self._dropping = False
                self._drops += 1
                self._changed.notify_all()

    def close(self) -> None:
        """Close the file; may be called twice."""
        with self._changed:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _write_through(self) -> None:
        checksum = zlib.crc32(self._value.to_bytes(8, "big"))
        # A full disk must not keep entries from being sent; it costs a gap its exactness at most.
        with suppress(OSError):
            if self._file is not None:
                os.pwrite(self._file, _FILE.pack(self._value, checksum), 0)


def _parse(data: bytes) -> int:
    """The number in a mark file, 0 when it holds none."""
    if len(data) < _FILE.size:
        return 0
    number, checksum = _FILE.unpack(data)
    return number if zlib.crc32(data[:8]) == checksum else 0
