"""What the tiny system is made of: archives, device trees, modules, pinned packages."""

import gzip
import hashlib
import struct
from pathlib import Path

import pytest

from qemu.board import newc
from qemu.board.errors import ImageError, PackageError
from qemu.board.fdt import without
from qemu.board.initramfs import initramfs, module_order
from qemu.board.packages import PINNED, SETS, tree


def test_an_archive_is_what_cpio_writes() -> None:
    made = newc.archive([newc.folder("etc"), newc.file("etc/x", b"hello")])
    assert made.startswith(b"070701" + b"00000001" + b"000041ED")
    assert b"etc/x\0hello\0\0\000070701" in made
    assert b"TRAILER!!!" in made
    assert len(made) % 4 == 0


def tree_blob() -> bytes:
    def begin(name: str) -> bytes:
        data = name.encode() + b"\0"
        return struct.pack(">I", 1) + data + bytes(-len(data) % 4)

    inner = begin("uart@1") + begin("bt") + struct.pack(">3I4s", 3, 3, 0, b"ok\0\0")
    ends = struct.pack(">I", 2) * 3
    structure = begin("") + inner + ends + struct.pack(">I", 9)
    return struct.pack(">3I", 0xD00DFEED, 12 + len(structure), 12) + structure


def test_a_node_goes_and_no_offset_moves() -> None:
    blob = tree_blob()
    made = without(blob, "/uart@1/bt")
    assert len(made) == len(blob)
    assert b"bt" not in made
    assert b"uart@1" in made
    with pytest.raises(ImageError, match="no node /uart@1/bt"):
        without(made, "/uart@1/bt")


@pytest.mark.parametrize("blob", [b"", b"not a tree at all", tree_blob()[:40]])
def test_a_broken_tree_is_told(blob: bytes) -> None:
    with pytest.raises(ImageError, match="device tree"):
        without(blob, "/uart@1/bt/none")


def modules(folder: Path) -> Path:
    (folder / "modules.builtin").write_text("kernel/lib/crc.ko\n")
    for name, needs in (("top-one", b"mid_one,crc"), ("mid_one", b"low"), ("low", b"")):
        (folder / f"{name}.ko").write_bytes(b"ELF\0depends=" + needs + b"\0license=GPL\0")
    return folder


def test_modules_load_after_what_they_need(tmp_path: Path) -> None:
    order = module_order(modules(tmp_path), ["top_one", "low", "crc"])
    assert [path.stem for path in order] == ["low", "mid_one", "top-one"]
    with pytest.raises(ImageError, match="no module 'none'"):
        module_order(tmp_path, ["none"])


def test_an_initramfs_is_the_same_every_time(tmp_path: Path) -> None:
    order = module_order(modules(tmp_path), ["low"])
    made = [initramfs(b"busybox", b"#!init", order, [newc.file("etc/more", b"m")]) for _ in "ab"]
    assert made[0] == made[1]
    assert b"low.ko\n" in gzip.decompress(made[0])


def test_every_set_is_pinned() -> None:
    lock = PINNED.read_lock()
    assert set(lock) == set(SETS)
    assert all(len(pin.sha256) == 64 and pin.size for pins in lock.values() for pin in pins)


def test_an_unknown_set_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"'none'; .*tiny-arm64"):
        tree("none", tmp_path)


def test_a_tree_that_is_there_needs_no_package(tmp_path: Path) -> None:
    pins = PINNED.read_lock()["tiny-arm64"]
    digest = hashlib.sha256("".join(pin.sha256 for pin in pins).encode()).hexdigest()[:16]
    made = tmp_path / "trees" / f"tiny-arm64-{digest}"
    made.mkdir(parents=True)
    assert tree("tiny-arm64", tmp_path) == made
