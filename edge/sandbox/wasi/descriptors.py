"""File descriptors of a guest: its own small table, each entry an open file beneath `/data`."""

import os
import stat
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count

from edge.sandbox.errnos import Errno
from edge.sandbox.errors import CallError
from edge.sandbox.loglines import INFO, WARNING, LineBuffer, LogSink
from edge.sandbox.setup import GuestSetup
from edge.sandbox.wasi.quota import Quota

STDIN, STDOUT, STDERR, PREOPEN = range(4)
PREOPEN_NAME = b"/data"


class FileType(IntEnum):
    """witx `$filetype`."""

    UNKNOWN = 0
    CHARACTER_DEVICE = 2
    DIRECTORY = 3
    REGULAR_FILE = 4
    SYMBOLIC_LINK = 7


@dataclass(slots=True)
class Entry:
    """An open file or directory."""

    descriptor: int
    inode: int
    is_directory: bool
    listing: list[tuple[bytes, int, FileType]] = field(
        default_factory=list[tuple[bytes, int, FileType]]
    )
    """Names, inodes and types as of the last reading from the beginning."""


def file_type(mode: int) -> FileType:
    """Type that a `st_mode` says."""
    if stat.S_ISREG(mode):
        return FileType.REGULAR_FILE
    if stat.S_ISDIR(mode):
        return FileType.DIRECTORY
    return FileType.SYMBOLIC_LINK if stat.S_ISLNK(mode) else FileType.UNKNOWN


class Descriptors:
    """The table of one run: 0-2 are the log, 3 is `/data`, others are opened by the guest."""

    def __init__(self, setup: GuestSetup, log: LogSink) -> None:
        self.quota = Quota(setup.data_dir, setup.limits.storage, setup.services.kv_bytes)
        self.output = {STDOUT: LineBuffer(log, INFO), STDERR: LineBuffer(log, WARNING)}
        self._standard = {STDIN, STDOUT, STDERR}
        root = os.open(setup.data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._entries = {PREOPEN: Entry(root, os.fstat(root).st_ino, is_directory=True)}
        self._limit = setup.limits.files
        self._unlinked: set[int] = set()

    def is_standard(self, fd: int) -> bool:
        """Whether it is stdin, stdout or stderr, and open."""
        return fd in self._standard

    def has(self, fd: int) -> bool:
        """Whether it is something in `/data`, and open."""
        return fd in self._entries

    def entry(self, fd: int) -> Entry:
        """What `fd` stands for; BADF when nothing in `/data`."""
        try:
            return self._entries[fd]
        except KeyError:
            raise CallError(Errno.BADF) from None

    def file(self, fd: int) -> Entry:
        """A regular file; BADF for a standard stream, ISDIR for a directory."""
        entry = self.entry(fd)
        if entry.is_directory:
            raise CallError(Errno.ISDIR)
        return entry

    def directory(self, fd: int) -> Entry:
        """A directory; NOTDIR for anything else that is open."""
        if self.is_standard(fd) or not (entry := self.entry(fd)).is_directory:
            raise CallError(Errno.NOTDIR)
        return entry

    def room(self) -> None:
        """Raise MFILE when one more would be over the app's `files`."""
        if len(self._entries) - (PREOPEN in self._entries) >= self._limit:
            raise CallError(Errno.MFILE)

    def add(self, entry: Entry) -> int:
        """The smallest free number, now standing for `entry`."""
        taken = self._entries.keys() | self._standard
        fd = next(number for number in count(PREOPEN + 1) if number not in taken)
        self._entries[fd] = entry
        return fd

    def close_one(self, fd: int) -> None:
        """Close `fd`; BADF when it is not open."""
        if fd in self._standard:
            self._standard.discard(fd)
            return
        entry = self.entry(fd)
        del self._entries[fd]
        os.close(entry.descriptor)
        if entry.inode in self._unlinked and not self._is_open(entry.inode):
            self._unlinked.discard(entry.inode)
            self.quota.freed(entry.inode)

    def move(self, fd: int, to: int) -> None:
        """Let `to` stand for what `fd` does, closing what it was; both must be open."""
        if self.is_standard(fd) or self.is_standard(to) or PREOPEN in (fd, to):
            raise CallError(Errno.NOTSUP)
        entry = self.entry(fd)
        self.entry(to)
        if fd != to:
            self.close_one(to)
            del self._entries[fd]
            self._entries[to] = entry

    def unlinked(self, inode: int) -> None:
        """A file lost its name: it counts until nobody has it open."""
        self.quota.entry_gone()
        if self._is_open(inode):
            self._unlinked.add(inode)
        else:
            self.quota.freed(inode)

    def close(self) -> None:
        """Close everything and log what was written without an end of line."""
        for buffer in self.output.values():
            buffer.flush()
        for entry in self._entries.values():
            os.close(entry.descriptor)
        self._entries.clear()

    def _is_open(self, inode: int) -> bool:
        return any(entry.inode == inode for entry in self._entries.values())
