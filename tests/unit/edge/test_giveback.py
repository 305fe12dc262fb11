"""Pages of files that a process mapped and does not need are given back to the system."""

import asyncio
import mmap
import os
import re
from pathlib import Path

from edge.giveback import give_back, give_back_once

SIZE = 8 << 20


def resident_kb(path: Path) -> int:
    found, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = line.endswith(str(path))
        elif inside and line.startswith("Rss:"):
            found += int(line.split()[1])
    return found


def mapped(path: Path, flags: int) -> mmap.mmap:
    with path.open("w+b") as file:
        file.write(b"\7" * SIZE)
        file.flush()
        os.fsync(file.fileno())
        view = mmap.mmap(file.fileno(), SIZE, flags=flags, prot=mmap.PROT_READ)
    touch(view)
    return view


def touch(view: mmap.mmap) -> None:
    assert {view[at] for at in range(0, SIZE, mmap.PAGESIZE)} == {7}


def test_clean_pages_go_and_are_read_again(tmp_path):
    path = tmp_path / "library"
    with mapped(path, mmap.MAP_PRIVATE) as view:
        assert resident_kb(path) == SIZE >> 10
        give_back()
        assert resident_kb(path) < SIZE >> 11
        touch(view)
        assert resident_kb(path) == SIZE >> 10


def test_a_file_mapped_for_sharing_is_left_alone(tmp_path):
    path = tmp_path / "store"
    with mapped(path, mmap.MAP_SHARED):
        give_back()
        assert resident_kb(path) == SIZE >> 10


def test_it_is_done_once_after_the_time_it_is_told(tmp_path):
    path = tmp_path / "library"
    with mapped(path, mmap.MAP_PRIVATE):
        asyncio.run(give_back_once(after=0))
        assert resident_kb(path) < SIZE >> 11
