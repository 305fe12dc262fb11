"""How much an app keeps on disk, known exactly without asking the disk at each write.

Sizes are counted as written (a sparse file counts whole). The app is the only writer, and no file
has two names, so an inode number identifies a file. A deleted file counts while it is open.
"""

import os
from collections.abc import Callable
from pathlib import Path

from edge.sandbox.errnos import Errno
from edge.sandbox.errors import CallError

ENTRIES_LIMIT = 1024
"""Files and directories in `/data`: empty ones take room too (an inode, a directory entry)."""


class Quota:
    """Of one run. The guest's thread only."""

    def __init__(self, root: Path, limit: int, elsewhere: Callable[[], int]) -> None:
        """`elsewhere` gives what the app keeps outside `/data`, in bytes."""
        self._limit = limit
        self._elsewhere = elsewhere
        self._sizes: dict[int, int] = {}
        self._entries = 0
        for directory, subdirectories, files, descriptor in os.fwalk(root):
            del directory
            self._entries += len(subdirectories) + len(files)
            for name in files:
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                self._sizes[status.st_ino] = status.st_size

    @property
    def used(self) -> int:
        """Bytes in `/data`."""
        return sum(self._sizes.values())

    def room_for(self, extra: int) -> None:
        """Raise NOSPC unless `extra` more bytes fit."""
        if extra > 0 and self.used + self._elsewhere() + extra > self._limit:
            raise CallError(Errno.NOSPC)

    def room_for_entry(self) -> None:
        """Raise NOSPC unless one more file or directory may exist."""
        if self._entries >= ENTRIES_LIMIT:
            raise CallError(Errno.NOSPC)

    def may_grow(self, inode: int, size: int) -> None:
        """Raise NOSPC unless the file may have `size` bytes."""
        self.room_for(size - self._sizes.get(inode, 0))

    def entry_made(self) -> None:
        """A file or directory came into being."""
        self._entries += 1

    def entry_gone(self) -> None:
        """A name was removed."""
        self._entries -= 1

    def resized(self, inode: int, size: int) -> None:
        """The file has this size now."""
        self._sizes[inode] = size

    def freed(self, inode: int) -> None:
        """The file is gone from the disk."""
        self._sizes.pop(inode, None)
