"""The boot disk that U-Boot reads, and the cache that sessions share."""

import fcntl
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from qemu.board.errors import ImageError
from qemu.board.fat import SIZE, boot_disk
from qemu.board.lock import making
from qemu.board.machine import RASPI3B, VIRT, Machine
from qemu.board.uboot import script_image, uboot_disk

FILES = {"VMLINUZ": bytes(range(256)) * 400, "EMPTY": b"", "BOOT.SCR": b"boot"}


def on_disk(tmp_path: Path, made: bytes) -> Path:
    disk = tmp_path / "boot.img"
    with disk.open("wb") as opened:
        opened.write(made)
        opened.truncate(SIZE)
    return disk


def test_what_was_packed_is_read_back_by_another_reader(tmp_path: Path) -> None:
    disk = on_disk(tmp_path, boot_disk(FILES))
    if not Path("/usr/bin/mcopy").exists():
        pytest.skip("mtools is not here")
    for name, content in FILES.items():
        read = subprocess.run(
            ["mcopy", "-i", f"{disk}@@1M", f"::{name}", "-"], capture_output=True, check=True
        )
        assert read.stdout == content


def test_a_checker_finds_nothing_wrong_with_the_partition(tmp_path: Path) -> None:
    if not Path("/usr/sbin/fsck.fat").exists():
        pytest.skip("dosfstools is not here")
    partition = tmp_path / "partition.img"
    partition.write_bytes(on_disk(tmp_path, boot_disk(FILES)).read_bytes()[1 << 20 :])
    checked = subprocess.run(
        ["/usr/sbin/fsck.fat", "-n", str(partition)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    assert "3 files" in checked.stdout


def test_a_disk_is_the_same_every_time_and_says_when_it_is_full() -> None:
    assert boot_disk(FILES) == boot_disk(dict(FILES))
    with pytest.raises(ImageError, match="do not fit"):
        boot_disk({"VMLINUZ": bytes(SIZE)})


def test_a_script_carries_its_own_checksums() -> None:
    made = script_image(b"echo hello")
    magic, head_sum, _, length, _, _, data_sum = struct.unpack(">7I", made[:28])
    assert magic == 0x27051956
    assert head_sum == zlib.crc32(made[:4] + bytes(4) + made[8:64])
    assert data_sum == zlib.crc32(made[64:])
    assert made[64:] == struct.pack(">II", 10, 0) + b"echo hello"
    assert length == len(made) - 64


def test_the_script_tells_the_kernel_its_console() -> None:
    assert b"setenv bootargs console=ttyAMA0 quiet\n" in uboot_disk(
        b"kernel", b"initrd", ("console=ttyAMA0", "quiet")
    )


def test_a_cache_has_one_maker_at_a_time(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with making(cache), (cache / "lock").open("w") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (cache / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize(
    ("machine", "line", "shift", "field"),
    [(VIRT, 5, 5, 0b1), (RASPI3B, 17, 21, 0b111), (RASPI3B, 40, 0, 0b111)],
)
def test_a_chip_tells_which_lines_are_outputs(
    machine: Machine, line: int, shift: int, field: int
) -> None:
    lines = next(lines for lines in machine.gpio if line < lines.first + lines.count)
    assert lines.directions is not None
    assert lines.directions.is_output(line, 1 << shift)
    assert not lines.directions.is_output(line, ~(field << shift) & 0xFFFF_FFFF)
