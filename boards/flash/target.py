"""The disk or file that is written: every byte is either on it, or an error was raised.

A block device is opened for this program alone (O_EXCL: the kernel refuses what is mounted or part
of something else) and past the page cache (O_DIRECT); a file is written through the cache, which is
then dropped, so that reading back asks the disk.
"""

import errno
import fcntl
import mmap
import os
import struct
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import NoReturn, Self

from boards.errors import DeviceFailedError, FlashError, ImageError, TargetRefusedError
from boards.flash.judge import Facts, Kind
from boards.flash.plan import BLOCK, CHUNK, ZERO_CHUNK

# linux/fs.h
BLKRRPART = 0x125F
BLKFLSBUF = 0x1261
BLKZEROOUT = 0x127F

_GONE = (errno.ENODEV, errno.ENXIO, errno.ENOMEDIUM, errno.ENOTCONN, errno.ECONNABORTED)
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_PROTECTED = (errno.EROFS, errno.EPERM, errno.EACCES)
UNFINISHED = "What is on it is unfinished: flash it again."


class Target:
    """An open target. One owner, one thread; `close` may be called twice."""

    def __init__(self, facts: Facts) -> None:
        """Open, and empty it if it is a file; raises TargetRefusedError."""
        self.path = facts.path
        self.is_block = facts.kind is Kind.BLOCK
        self._capacity = facts.size if self.is_block else None
        self._buffer = mmap.mmap(-1, CHUNK)
        self._view = memoryview(self._buffer)
        self._direct = self._can_direct = False
        self._length = 0
        try:
            self._descriptor = self._open_block() if self.is_block else self._open_file()
        except OSError as fault:
            self._release_buffer()
            reason = fault.strerror or str(fault)
            if fault.errno == errno.EBUSY:
                reason = "in use: something is mounted from it or built on it (see: lsblk)"
            raise TargetRefusedError(f"{self.path}: {reason}") from fault

    def write(self, start: int, data: bytes) -> None:
        """All of `data`, from `start` on."""
        self._check_room(start + len(data))
        for offset in range(0, len(data), CHUNK):
            part = data[offset : offset + CHUNK]
            self._view[: len(part)] = part
            self._write_buffer(start + offset, len(part))
        self._length = max(self._length, start + len(data))

    def wipe(self, length: int) -> None:
        """Make the first bytes zero, and nothing else; a file was emptied when it was opened."""
        if self._capacity is not None:
            self.zero(0, min(length, self._capacity))

    def zero(self, start: int, length: int) -> None:
        """Make bytes zero."""
        self._check_room(start + length)
        if not self.is_block:
            # The file was emptied: what was not written since is a hole.
            self._grow(start + length)
            return
        for at in range(start, start + length, ZERO_CHUNK):
            part = min(ZERO_CHUNK, start + length - at)
            try:
                fcntl.ioctl(self._descriptor, BLKZEROOUT, struct.pack("QQ", at, part))
            except OSError as fault:
                if fault.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY):
                    raise self._failed("zeroing", at, fault) from fault
                self._write_zeros(at, part)

    def read(self, start: int, length: int) -> bytes:
        """Exactly these bytes."""
        parts: list[bytes] = []
        for at in range(start, start + length, CHUNK):
            size = min(CHUNK, start + length - at)
            self._set_direct(at, size)
            with self._device("reading", at):
                got = os.preadv(self._descriptor, [self._view[:size]], at)
            if got < size:
                self._explain_short_read(at, got, size)
            parts.append(self._view[:size].tobytes())
        return b"".join(parts)

    def sync(self) -> None:
        """Return when the device says that everything is on it."""
        with self._device("finishing writes", self._length):
            os.fsync(self._descriptor)

    def forget(self) -> None:
        """Drop what the page cache holds of it."""
        with self._device("dropping the cache", 0):
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        if self.is_block:
            # Needs CAP_SYS_ADMIN; O_DIRECT reads past the cache for those who have it not.
            with suppress(PermissionError):
                fcntl.ioctl(self._descriptor, BLKFLSBUF)

    def reread_partitions(self) -> bool:
        """Whether the kernel now knows the new partitions."""
        try:
            fcntl.ioctl(self._descriptor, BLKRRPART)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Idempotent; an error that closing shows is raised."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        self._release_buffer()
        with self._device("closing", self._length):
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            self.close()
        except FlashError:
            # The first error is the one that explains.
            if kind is None:
                raise

    def _open_block(self) -> int:
        flags = os.O_RDWR | os.O_EXCL | os.O_CLOEXEC
        try:
            descriptor = os.open(self.path, flags | os.O_DIRECT)
        except OSError as fault:
            if fault.errno != errno.EINVAL:
                raise
            return os.open(self.path, flags)
        self._direct = self._can_direct = True
        return descriptor

    def _open_file(self) -> int:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            os.ftruncate(descriptor, 0)
            # A file larger than the image stands for a larger card: it keeps its size.
            os.ftruncate(descriptor, size)
        except OSError:
            os.close(descriptor)
            raise
        self._length = size
        return descriptor

    def _release_buffer(self) -> None:
        self._view.release()
        self._buffer.close()

    def _write_buffer(self, start: int, size: int) -> None:
        self._set_direct(start, size)
        with self._device("writing", start):
            done = os.pwrite(self._descriptor, self._view[:size], start)
        if done == size:
            return
        # Disks take all or fail; what is left is tried once because its error says why.
        self._set_direct(start + done, size - done)
        with self._device("writing", start + done):
            os.pwrite(self._descriptor, self._view[done:size], start + done)
        raise DeviceFailedError(
            f"{self.path}: took {done} of {size} bytes at byte {start} and gave no reason. "
            f"{UNFINISHED}"
        )

    def _explain_short_read(self, start: int, got: int, size: int) -> NoReturn:
        """As with writes, the error of what is left says why."""
        self._set_direct(start + got, size - got)
        with self._device("reading", start + got):
            os.preadv(self._descriptor, [self._view[got:size]], start + got)
        raise DeviceFailedError(
            f"{self.path}: gave {got} of {size} bytes at byte {start} and no reason. {UNFINISHED}"
        )

    def _write_zeros(self, start: int, length: int) -> None:
        for at in range(start, start + length, CHUNK):
            size = min(CHUNK, start + length - at)
            self._view[:size] = bytes(size)
            self._write_buffer(at, size)

    def _set_direct(self, start: int, size: int) -> None:
        """O_DIRECT for whole blocks only; the kernel refuses others."""
        wanted = self._can_direct and start % BLOCK == 0 and size % BLOCK == 0
        if wanted == self._direct:
            return
        flags = fcntl.fcntl(self._descriptor, fcntl.F_GETFL)
        changed = flags | os.O_DIRECT if wanted else flags & ~os.O_DIRECT
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, changed)
        self._direct = wanted

    def _grow(self, end: int) -> None:
        if end > self._length:
            with self._device("writing", end):
                os.ftruncate(self._descriptor, end)
            self._length = end

    def _check_room(self, end: int) -> None:
        if self._capacity is not None and end > self._capacity:
            raise ImageError(
                f"{self.path}: has {self._capacity} bytes, the image more; take a larger card. "
                f"{UNFINISHED}"
            )

    @contextmanager
    def _device(self, doing: str, at: int) -> Generator[None]:
        try:
            yield
        except OSError as fault:
            raise self._failed(doing, at, fault) from fault

    def _failed(self, doing: str, at: int, fault: OSError) -> DeviceFailedError:
        reason = f"{fault.strerror}: worn out or badly seated, try another reader or card"
        if fault.errno in _GONE:
            reason = f"{fault.strerror}: pulled out, or its reader failed"
        elif fault.errno in _FULL:
            reason = f"{fault.strerror}: no room for the image"
        elif fault.errno in _PROTECTED:
            reason = f"{fault.strerror}: it is write-protected"
        return DeviceFailedError(f"{self.path}: {doing} at byte {at}: {reason}. {UNFINISHED}")
