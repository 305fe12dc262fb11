"""Just enough FAT16 and FAT32 to read and replace one file of the root directory. Pure.

Reading goes through a function; replacing gives edits for somebody else to write, in an order
that loses nothing when it is cut: new data, its chain, the directory entry, then the old chain.
Format: Microsoft, FAT: General Overview of On-Disk Format, 1.03.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from boards.errors import BootPartitionError

Read = Callable[[int, int], bytes]
"""(offset, length) → exactly so many bytes."""

MBR_SIZE = 512
TABLE_LIMIT = 16 << 20
"""Bytes of a file allocation table; one of a 512 MiB partition has at most 4 MiB."""
DIRECTORY_LIMIT = 2 << 20
"""Bytes of a directory: 65,536 entries, FAT's own bound."""

_FAT_TYPES = (0x01, 0x04, 0x06, 0x0B, 0x0C, 0x0E)
_LONG_NAME, _VOLUME_OR_DIRECTORY = 0x0F, 0x18
_DELETED, _END = 0xE5, 0x00


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes to write at an offset of the disk."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the root directory."""

    place: int
    """Where its 32 bytes are on the disk."""
    first: int
    """Cluster; 0 when the file is empty."""
    size: int


def boot_partition(head: bytes) -> int:
    """Where the first FAT partition of an MBR begins, in bytes."""
    if len(head) < MBR_SIZE or head[510:512] != b"\x55\xaa":
        raise BootPartitionError("no partition table (MBR): this is no image of a card")
    for at in range(446, 510, 16):
        if head[at + 4] in _FAT_TYPES:
            return int.from_bytes(head[at + 8 : at + 12], "little") * 512
    raise BootPartitionError("no FAT partition in the partition table: this is no Skerry image")


def partitions_end(head: bytes) -> int:
    """Where the last partition of an MBR ends, in bytes."""
    ends: list[int] = [sum(struct.unpack_from("<II", head, at + 8)) for at in range(446, 510, 16)]
    return max(ends) * 512


class Fat:
    """A FAT16 or FAT32 file system that begins at `start` of a disk. Not for several threads."""

    def __init__(self, read: Read, start: int) -> None:
        boot = read(start, 512)
        sector, per_cluster, reserved, copies, roots = struct.unpack_from("<HBHBH", boot, 11)
        sectors = int.from_bytes(boot[19:21], "little") or int.from_bytes(boot[32:36], "little")
        table = int.from_bytes(boot[22:24], "little") or int.from_bytes(boot[36:40], "little")
        if boot[510:512] != b"\x55\xaa" or sector not in (512, 1024, 2048, 4096):
            raise BootPartitionError("the boot partition holds no FAT file system")
        if not (per_cluster and reserved and 1 <= copies <= 2 and table):  # noqa: PLR2004 - FAT's
            raise BootPartitionError("the boot partition's FAT file system is damaged")
        self._read = read
        self._start = start
        self._cluster_size: int = sector * per_cluster
        self._table_at = [start + (reserved + n * table) * sector for n in range(copies)]
        self._root_at = start + (reserved + copies * table) * sector
        self._root_size = roots * 32
        self._data_at: int = self._root_at + -(-self._root_size // sector) * sector
        clusters = (sectors - (self._data_at - start) // sector) // per_cluster
        self._wide = roots == 0
        self._limit = clusters + 2
        width = 4 if self._wide else 2
        if clusters < 4085 or self._limit * width > min(table * sector, TABLE_LIMIT):  # noqa: PLR2004 - FAT12 has fewer
            raise BootPartitionError(
                "the boot partition is FAT12 or damaged; FAT16 and FAT32 work"
            )
        self._root_cluster = int.from_bytes(boot[44:48], "little") if self._wide else 0
        info = int.from_bytes(boot[48:50], "little") if self._wide else 0
        self._info_at = start + info * sector if 0 < info < reserved else None
        raw = read(self._table_at[0], self._limit * width)
        self._table: list[int] = list(
            struct.unpack(f"<{self._limit}{'I' if self._wide else 'H'}", raw)
        )

    def find(self, name: str) -> Entry:
        """The file of that name, upper or lower case; raises BootPartitionError."""
        for found, place, raw in self._entries():
            if found.lower() == name.lower():
                high, low, size = struct.unpack_from("<H4xHI", raw, 20)
                return Entry(place, low | (high << 16 if self._wide else 0), size)
        raise BootPartitionError(f"the boot partition has no {name}: this is no Skerry image")

    def read(self, entry: Entry, limit: int) -> bytes:
        """What the file holds, which is at most `limit` bytes."""
        if entry.size > limit:
            raise BootPartitionError(f"the file has {entry.size} bytes; at most {limit}")
        clusters = self._chain(entry.first) if entry.size else []
        data = b"".join(self._read(self._place(c), self._cluster_size) for c in clusters)
        if len(data) < entry.size:
            raise BootPartitionError(
                "the boot partition's FAT file system is damaged: short chain"
            )
        return data[: entry.size]

    def replacing(self, entry: Entry, data: bytes) -> Sequence[Edit]:
        """What to write so that the file holds `data`; it holds the old until the entry is written."""
        old = self._chain(entry.first) if entry.first else []
        clusters = self._free(-(-len(data) // self._cluster_size))
        linked = list(self._table)
        for cluster, after in pairwise([*clusters, self._mark]):
            linked[cluster] = self._merged(linked[cluster], after)
        freed = list(linked)
        for cluster in old:
            freed[cluster] = self._merged(freed[cluster], 0)
        padded = data.ljust(len(clusters) * self._cluster_size, b"\0")
        parts = (
            padded[at : at + self._cluster_size]
            for at in range(0, len(padded), self._cluster_size)
        )
        return [
            *(Edit(self._place(c), part) for c, part in zip(clusters, parts, strict=True)),
            *self._table_edits(self._table, linked),
            self._entry_edit(entry, clusters[0] if clusters else 0, len(data)),
            *self._table_edits(linked, freed),
            *self._info_edits(len(old) - len(clusters)),
        ]

    @property
    def _mark(self) -> int:
        """End of a chain."""
        return 0x0FFFFFFF if self._wide else 0xFFFF

    def _place(self, cluster: int) -> int:
        return self._data_at + (cluster - 2) * self._cluster_size

    def _merged(self, old: int, new: int) -> int:
        """FAT32 reserves an entry's upper four bits: they stay."""
        return (old & 0xF0000000) | (new & 0x0FFFFFFF) if self._wide else new

    def _chain(self, first: int) -> list[int]:
        chain: list[int] = []
        cluster = first
        while cluster < (0x0FFFFFF8 if self._wide else 0xFFF8):
            if not 2 <= cluster < self._limit or len(chain) > self._limit:  # noqa: PLR2004 - FAT's first
                raise BootPartitionError("the boot partition's FAT file system is damaged: chain")
            chain.append(cluster)
            cluster = self._table[cluster] & (0x0FFFFFFF if self._wide else 0xFFFF)
        return chain

    def _free(self, count: int) -> list[int]:
        mask = 0x0FFFFFFF if self._wide else 0xFFFF
        found: list[int] = []
        for cluster in range(2, self._limit):
            if len(found) >= count:
                return found
            if not self._table[cluster] & mask:
                found.append(cluster)
        if len(found) < count:
            raise BootPartitionError("the boot partition is full: no room for the settings")
        return found

    def _table_edits(self, before: list[int], after: list[int]) -> Iterator[Edit]:
        width, code = (4, "<I") if self._wide else (2, "<H")
        for at in self._table_at:
            for cluster, (old, new) in enumerate(zip(before, after, strict=True)):
                if old != new:
                    yield Edit(at + cluster * width, struct.pack(code, new))

    def _info_edits(self, freed: int) -> Iterator[Edit]:
        """FAT32 keeps a count of free clusters beside the table."""
        if self._info_at is None or freed == 0:
            return
        info = self._read(self._info_at, 512)
        count = int.from_bytes(info[488:492], "little")
        if info[:4] == b"RRaA" and count != 0xFFFFFFFF:  # noqa: PLR2004 - unknown
            yield Edit(self._info_at + 488, struct.pack("<I", count + freed))

    def _entry_edit(self, entry: Entry, first: int, size: int) -> Edit:
        raw = bytearray(self._read(entry.place, 32))
        struct.pack_into("<H", raw, 20, first >> 16)
        struct.pack_into("<HI", raw, 26, first & 0xFFFF, size)
        return Edit(entry.place, bytes(raw))

    def _entries(self) -> Iterator[tuple[str, int, bytes]]:
        """(name, place, 32 bytes) of every file; a long name precedes its entry, last part first."""
        parts: list[str] = []
        for place, raw in self._slots():
            if raw[0] == _END:
                return
            if raw[0] == _DELETED:
                parts = []
            elif raw[11] & 0x3F == _LONG_NAME:
                if raw[0] & 0x40:
                    parts = []
                text = (raw[1:11] + raw[14:26] + raw[28:32]).decode("utf-16-le", "replace")
                parts.insert(0, text.split("\0", 1)[0])
            else:
                if not raw[11] & _VOLUME_OR_DIRECTORY:
                    stem, suffix = raw[:8].decode("latin-1"), raw[8:11].decode("latin-1")
                    short = f"{stem.rstrip()}.{suffix.rstrip()}".removesuffix(".")
                    yield "".join(parts) or short, place, raw
                parts = []

    def _slots(self) -> Iterator[tuple[int, bytes]]:
        blocks = [(self._root_at, self._root_size)]
        if self._wide:
            chain = self._chain(self._root_cluster)
            if len(chain) * self._cluster_size > DIRECTORY_LIMIT:
                raise BootPartitionError("the boot partition's root directory is damaged")
            blocks = [(self._place(cluster), self._cluster_size) for cluster in chain]
        for at, length in blocks:
            block = self._read(at, length)
            for offset in range(0, length, 32):
                yield at + offset, block[offset : offset + 32]
