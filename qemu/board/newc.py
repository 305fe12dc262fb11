"""The `newc` cpio format that Linux unpacks as an initramfs: entries in, bytes out.

Nothing of the making machine enters: no owner, no time, inodes counted from one.
"""

import stat
from collections.abc import Iterable

import msgspec

_MAGIC = b"070701"
_END = "TRAILER!!!"


class Entry(msgspec.Struct, frozen=True):
    """A file, folder, link or device: `mode` holds type and permissions, as in `os.stat`."""

    path: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def folder(path: str) -> Entry:
    """A directory that all may enter."""
    return Entry(path, stat.S_IFDIR | 0o755)


def file(path: str, data: bytes, *, executable: bool = False) -> Entry:
    """A regular file."""
    return Entry(path, stat.S_IFREG | (0o755 if executable else 0o644), data)


def link(path: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(path, stat.S_IFLNK | 0o777, target.encode())


def character_device(path: str, major: int, minor: int) -> Entry:
    """A character device that root may use."""
    return Entry(path, stat.S_IFCHR | 0o600, device=(major, minor))


def archive(entries: Iterable[Entry]) -> bytes:
    """The archive of `entries`, in their order: the kernel makes a folder before what it holds."""
    out = bytearray()
    for inode, entry in enumerate([*entries, Entry(_END, 0)], start=1):
        name = entry.path.encode() + b"\0"
        major, minor = entry.device
        fields = (inode, entry.mode, 0, 0, 1, 0, len(entry.data), 0, 0, major, minor, len(name), 0)
        out += _MAGIC + b"".join(b"%08X" % field for field in fields) + name
        out += bytes(-len(out) % 4)
        out += entry.data
        out += bytes(-len(out) % 4)
    return bytes(out)
