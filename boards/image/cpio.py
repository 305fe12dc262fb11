"""An initramfs: a cpio archive of the kernel's "newc" kind, the same bytes for the same content."""

import gzip
from collections.abc import Mapping

_DIRECTORY, _FILE, _LINK, _DEVICE = 0o040755, 0o100755, 0o120777, 0o020600


class Archive:
    """Entries in the order they are added. One thread."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._count = 0

    def directory(self, path: str) -> None:
        """Parents first."""
        self._add(path, _DIRECTORY)

    def file(self, path: str, data: bytes) -> None:
        """Executable: nobody but root is there to be kept from running it."""
        self._add(path, _FILE, data)

    def link(self, path: str, target: str) -> None:
        """A symbolic link."""
        self._add(path, _LINK, target.encode())

    def device(self, path: str, major: int, minor: int) -> None:
        """A character device."""
        self._add(path, _DEVICE, device=(major, minor))

    def compressed(self) -> bytes:
        """The finished archive, gzipped without name or time; nothing may be added after."""
        self._add("TRAILER!!!", 0)
        return gzip.compress(self._data, compresslevel=9, mtime=0)

    def _add(
        self, path: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)
    ) -> None:
        self._count += 1
        name = path.encode() + b"\0"
        numbers = (self._count, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
        self._data += b"070701" + "".join(f"{number:08X}" for number in numbers).encode() + name
        self._pad()
        self._data += data
        self._pad()

    def _pad(self) -> None:
        self._data += bytes(-len(self._data) % 4)


def initramfs(
    init: bytes,
    busybox: bytes,
    modules: Mapping[str, bytes],
    order: tuple[str, ...],
    others: Mapping[str, bytes] | None = None,
) -> bytes:
    """What the kernel starts: `init` run by busybox, and modules to load in this order.

    `others` are more files, by path, at most one new directory deep.
    """
    archive = Archive()
    for path in ("bin", "dev", "proc", "sys", "new", "lib", "lib/modules"):
        archive.directory(path)
    archive.device("dev/console", 5, 1)
    archive.device("dev/null", 1, 3)
    archive.file("bin/busybox", busybox)
    archive.link("bin/sh", "busybox")
    for name in order:
        archive.file(f"lib/modules/{name}.ko", modules[name])
    archive.file("lib/modules/order", "".join(f"{name}.ko\n" for name in order).encode())
    for folder in sorted({path.rpartition("/")[0] for path in others or {}} - {""}):
        archive.directory(folder)
    for path, data in (others or {}).items():
        archive.file(path, data)
    archive.file("init", init)
    return archive.compressed()
