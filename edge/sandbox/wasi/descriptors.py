"""File descriptors of a guest: its own small table, each entry something beneath `/data` or `/app`."""

import os
import stat
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count

from edge.sandbox.errnos import Errno
from edge.sandbox.errors import CallError
from edge.sandbox.loglines import INFO, WARNING, LineBuffer, LogSink
from edge.sandbox.setup import GuestSetup
from edge.sandbox.wasi.bundle import BundleFile, BundleFolder, tree
from edge.sandbox.wasi.quota import Quota

STDIN, STDOUT, STDERR, DATA, APP = range(5)
_NAMES = {DATA: b"/data", APP: b"/app"}
_NONE = -1
"""Descriptor of what the system knows nothing of."""


class FileType(IntEnum):
    """witx `$filetype`."""

    UNKNOWN = 0
    CHARACTER_DEVICE = 2
    DIRECTORY = 3
    REGULAR_FILE = 4
    SYMBOLIC_LINK = 7


@dataclass(slots=True)
class Entry:
    """An open file or directory. What is in `/app` has a `source`; a folder there no descriptor."""

    descriptor: int
    inode: int
    is_directory: bool
    source: BundleFile | BundleFolder | None = None
    listing: list[tuple[bytes, int, FileType]] = field(
        default_factory=list[tuple[bytes, int, FileType]]
    )
    """Names, inodes and types as of the last reading from the beginning."""


def bundle_entry(source: BundleFile | BundleFolder) -> Entry:
    """What is in `/app`, now open for reading."""
    descriptor = source.open() if isinstance(source, BundleFile) else _NONE
    return Entry(descriptor, source.inode, is_directory=descriptor == _NONE, source=source)


def file_type(mode: int) -> FileType:
    """Type that a `st_mode` says."""
    if stat.S_ISREG(mode):
        return FileType.REGULAR_FILE
    if stat.S_ISDIR(mode):
        return FileType.DIRECTORY
    return FileType.SYMBOLIC_LINK if stat.S_ISLNK(mode) else FileType.UNKNOWN


class Descriptors:
    """The table of one run: 0-2 are the log, 3 is `/data`, 4 is `/app` where there are files.

    Others are opened by the guest.
    """

    def __init__(self, setup: GuestSetup, log: LogSink) -> None:
        self.quota = Quota(setup.data_dir, setup.limits.storage, setup.services.kv_bytes)
        self.output = {STDOUT: LineBuffer(log, INFO), STDERR: LineBuffer(log, WARNING)}
        self._standard = {STDIN, STDOUT, STDERR}
        root = os.open(setup.data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._entries = {DATA: Entry(root, os.fstat(root).st_ino, is_directory=True)}
        if setup.files is not None:
            self._entries[APP] = bundle_entry(tree(setup.files))
        self._preopened = frozenset(self._entries)
        self._limit = setup.limits.files
        self._unlinked: set[int] = set()

    def is_standard(self, fd: int) -> bool:
        """Whether it is stdin, stdout or stderr, and open."""
        return fd in self._standard

    def has(self, fd: int) -> bool:
        """Whether it is a file or directory, and open."""
        return fd in self._entries

    def entry(self, fd: int) -> Entry:
        """What `fd` stands for; BADF when no file or directory."""
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

    def folder(self, fd: int) -> BundleFolder | None:
        """The folder in `/app` that `fd` stands for; None when it is anything else."""
        entry = self._entries.get(fd)
        source = entry.source if entry is not None else None
        return source if isinstance(source, BundleFolder) else None

    def preopened(self, fd: int) -> bytes:
        """The guest's name of a directory that was open from the start; BADF for others."""
        self.entry(fd)
        if fd not in self._preopened:
            raise CallError(Errno.BADF)
        return _NAMES[fd]

    def room(self) -> None:
        """Raise MFILE when one more would be over the app's `files`."""
        if len(self._entries.keys() - self._preopened) >= self._limit:
            raise CallError(Errno.MFILE)

    def add(self, entry: Entry) -> int:
        """The smallest free number, now standing for `entry`."""
        taken = self._entries.keys() | self._standard
        fd = next(number for number in count(max(self._preopened) + 1) if number not in taken)
        self._entries[fd] = entry
        return fd

    def close_one(self, fd: int) -> None:
        """Close `fd`; BADF when it is not open."""
        if fd in self._standard:
            self._standard.discard(fd)
            return
        entry = self.entry(fd)
        del self._entries[fd]
        if entry.descriptor != _NONE:
            os.close(entry.descriptor)
        if entry.inode in self._unlinked and not self._is_open(entry.inode):
            self._unlinked.discard(entry.inode)
            self.quota.freed(entry.inode)

    def move(self, fd: int, to: int) -> None:
        """Let `to` stand for what `fd` does, closing what it was; both must be open."""
        if self.is_standard(fd) or self.is_standard(to) or {fd, to} & self._preopened:
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
            if entry.descriptor != _NONE:
                os.close(entry.descriptor)
        self._entries.clear()

    def _is_open(self, inode: int) -> bool:
        return any(entry.inode == inode for entry in self._entries.values())
