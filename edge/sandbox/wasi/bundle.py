"""`/app`: the files of an app, in memory and never to be changed, behind the calls of WASI.

Names are looked up in a tree of dictionaries, so no path can lead to the disk. A file that is
opened becomes a memory file of the kernel, open for reading alone: reading and seeking are then the
ones of any other file, and its bytes are the process's only while it is open.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.sandbox.errnos import Errno
from edge.sandbox.errors import CallError

_FIRST_INODE = 1 << 62
"""No disk numbers its files so high: the quota of `/data` knows files by their number."""


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A file; `content` is shared by all runs of the app."""

    inode: int
    content: bytes

    def open(self) -> int:
        """A descriptor of the system for reading it."""
        writable = os.memfd_create("app", os.MFD_CLOEXEC)
        try:
            left = memoryview(self.content)
            while left:
                left = left[os.write(writable, left) :]
            return os.open(f"/proc/self/fd/{writable}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(writable)


@dataclass(frozen=True, slots=True)
class BundleFolder:
    """A folder and what is in it."""

    inode: int
    entries: "dict[bytes, BundleFile | BundleFolder]" = field(
        default_factory=dict[bytes, "BundleFile | BundleFolder"]
    )

    def find(self, path: bytes) -> "BundleFile | BundleFolder":
        """What a path from here leads to; NOTCAPABLE when it would lead above this folder."""
        trail: list[BundleFile | BundleFolder] = [self]
        for part in path.split(b"/"):
            here = trail[-1]
            if not isinstance(here, BundleFolder):
                raise CallError(Errno.NOTDIR)
            if part == b"..":
                trail.pop()
                if not trail:
                    raise CallError(Errno.NOTCAPABLE)
            elif part not in (b"", b"."):
                found = here.entries.get(part)
                if found is None:
                    raise CallError(Errno.NOENT)
                trail.append(found)
        return trail[-1]


def tree(files: Mapping[str, bytes]) -> BundleFolder:
    """The folder of these files, by names that `edge.wire.files` has checked."""
    root = BundleFolder(_FIRST_INODE)
    made = 1
    for name, content in sorted(files.items()):
        *folders, last = name.encode().split(b"/")
        here = root
        for part in folders:
            there = here.entries.get(part)
            if not isinstance(there, BundleFolder):
                there = here.entries[part] = BundleFolder(_FIRST_INODE + made)
                made += 1
            here = there
        here.entries[last] = BundleFile(_FIRST_INODE + made, content)
        made += 1
    return root
