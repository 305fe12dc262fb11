"""A disk that fails as told: a file system of one file, served to the kernel over /dev/fuse.

It speaks FUSE itself (linux/fuse.h, protocol 7.31), so nothing has to be installed; mounting needs
root. As a program it is the disk: `python faulty_disk.py DIRECTORY SIZE FAULT OFFSET [direct]`.
"""

import ctypes
import errno
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

AVAILABLE = os.geteuid() == 0 and os.access("/dev/fuse", os.R_OK | os.W_OK)
NAME = "card"
_ATTR = "<6Q10I"
_MAX_WRITE = 1 << 20


class Fault(Enum):
    """What happens to bytes at the offset."""

    NONE = "none"
    WRITE_ERROR = "write-error"
    SHORT_WRITE = "short-write"
    FULL = "full"
    VANISH = "vanish"
    READ_ERROR = "read-error"
    READ_FLIP = "read-flip"
    """A bit differs whenever it is read."""
    SWALLOW = "swallow"
    """Everything written from there on is lost and reported as written: a counterfeit card."""
    SYNC_ERROR = "sync-error"
    SETTLED_FLIP = "settled-flip"
    """A bit differs once what is there was written a second time."""
    STALL = "stall"
    """Says so on standard output, and answers when told to."""


@contextmanager
def faulty_disk(
    directory: Path, fault: Fault, offset: int = 0, *, size: int = 8 << 20, direct: bool = True
) -> Iterator["Disk"]:
    """The disk, mounted; with `direct` the kernel caches nothing of it."""
    directory.mkdir(exist_ok=True)
    options = ["direct"] if direct else []
    process = subprocess.Popen(
        [sys.executable, __file__, str(directory), str(size), fault.value, str(offset), *options],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    try:
        disk = Disk(directory / NAME, process)
        disk.wait_for("ready")
        yield disk
    finally:
        process.kill()
        process.communicate()
        _libc().umount2(str(directory).encode(), 2)  # MNT_DETACH


class Disk:
    """The test's end of it."""

    def __init__(self, path: Path, process: "subprocess.Popen[str]") -> None:
        self.path = path
        self._process = process

    def wait_for(self, word: str) -> None:
        """Return when the disk says so."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == word

    def go_on(self) -> None:
        """End a stall."""
        assert self._process.stdin is not None
        self._process.stdin.write("go on\n")
        self._process.stdin.flush()


class _Server:
    def __init__(self, size: int, fault: Fault, offset: int, *, direct: bool) -> None:
        self.data = bytearray(size)
        self.fault = fault
        self.offset = offset
        self.direct = direct
        self.stalled = False
        self.writes = 0
        """How often the byte at the offset was written."""

    def serve(self, device: int) -> None:
        while True:
            try:
                request = os.read(device, _MAX_WRITE + 8192)
            except OSError as fault:
                if fault.errno == errno.ENODEV:
                    return
                raise
            _, opcode, unique, node = struct.unpack_from("<IIQQ", request)
            if opcode in (2, 36, 42):  # FORGET, INTERRUPT, BATCH_FORGET have no answer
                continue
            try:
                answer, code = self.answer(opcode, node, request[40:]), 0
            except OSError as fault:
                answer, code = b"", -(fault.errno or errno.EIO)
            os.write(device, struct.pack("<IiQ", 16 + len(answer), code, unique) + answer)

    def answer(  # noqa: C901, PLR0911, PLR0912 - a table of the protocol's requests
        self, opcode: int, node: int, body: bytes
    ) -> bytes:
        match opcode:
            case 26:  # INIT
                flags = 1 << 22 | 1 << 5  # MAX_PAGES, BIG_WRITES
                return struct.pack(
                    "<4I2H2I2HI28x", 7, 31, 1 << 17, flags, 16, 12, _MAX_WRITE, 1, 256, 0, 0
                )
            case 1:  # LOOKUP
                if body.rstrip(b"\0") != NAME.encode():
                    raise OSError(errno.ENOENT, "")
                return struct.pack("<4Q2I", 2, 0, 0, 0, 0, 0) + self.attributes(2)
            case 3:  # GETATTR
                return struct.pack("<QII", 0, 0, 0) + self.attributes(node)
            case 4:  # SETATTR
                self.resize(*struct.unpack_from("<I12xQ", body))
                return struct.pack("<QII", 0, 0, 0) + self.attributes(node)
            case 14:  # OPEN
                return struct.pack("<QII", 1, int(self.direct), 0)
            case 15:
                return self.read(*struct.unpack_from("<8xQI", body))
            case 16:
                offset, size = struct.unpack_from("<8xQI", body)
                return struct.pack("<II", self.write(offset, body[40 : 40 + size]), 0)
            case 17:  # STATFS
                return struct.pack(
                    "<5Q4I24x", 1 << 20, 1 << 20, 1 << 20, 10, 10, 4096, 255, 4096, 0
                )
            case 20:  # FSYNC
                if self.fault is Fault.SYNC_ERROR:
                    raise OSError(errno.EIO, "")
                return b""
            case 18 | 25 | 29 | 38:  # RELEASE, FLUSH, RELEASEDIR, DESTROY
                return b""
            case _:
                raise OSError(errno.ENOSYS, "")

    def attributes(self, node: int) -> bytes:
        mode, size = (0o40755, 0) if node == 1 else (0o100600, len(self.data))
        return struct.pack(
            _ATTR, node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0
        )

    def resize(self, valid: int, size: int) -> None:
        if valid & 8:  # FATTR_SIZE
            del self.data[size:]
            self.data.extend(bytes(size - len(self.data)))

    def read(self, offset: int, size: int) -> bytes:
        found = bytearray(self.data[offset : offset + size])
        if offset <= self.offset < offset + size:
            if self.fault is Fault.READ_ERROR:
                raise OSError(errno.EIO, "")
            flips = self.fault is Fault.READ_FLIP or (
                self.fault is Fault.SETTLED_FLIP and self.writes > 1
            )
            if flips and self.offset < len(self.data):
                found[self.offset - offset] ^= 0x10
        return bytes(found)

    def write(self, offset: int, data: bytes) -> int:
        end = offset + len(data)
        self.writes += offset <= self.offset < end
        if end > self.offset:
            match self.fault:
                case Fault.WRITE_ERROR:
                    raise OSError(errno.EIO, "")
                case Fault.FULL:
                    raise OSError(errno.ENOSPC, "")
                case Fault.VANISH:
                    os._exit(0)
                case Fault.SHORT_WRITE:
                    data = data[: max(self.offset - offset, 512)]
                case Fault.SWALLOW:
                    return len(data)
                case Fault.STALL if not self.stalled:
                    self.stalled = True
                    sys.stdout.write("stalled\n")
                    sys.stdout.flush()
                    sys.stdin.readline()
                case _:
                    pass
        self.data.extend(bytes(max(0, offset - len(self.data))))
        self.data[offset : offset + len(data)] = data
        return len(data)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _main(directory: str, size: str, fault: str, offset: str, *options: str) -> None:
    device = os.open("/dev/fuse", os.O_RDWR)
    what = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    if _libc().mount(b"faulty", directory.encode(), b"fuse", 6, what):  # NOSUID, NODEV
        raise OSError(ctypes.get_errno(), "mounting")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    _Server(int(size), Fault(fault), int(offset), direct="direct" in options).serve(device)


if __name__ == "__main__":
    _main(*sys.argv[1:])
