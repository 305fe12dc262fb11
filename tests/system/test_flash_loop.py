"""`skerry flash` to real block devices: loop devices, healthy, in use, and on a failing disk."""

import gzip
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.card_image import MIB, card_image
from tests.support.faulty_disk import AVAILABLE, Fault, faulty_disk
from tests.support.system import skerry

HAS_LOOP = os.geteuid() == 0 and Path("/dev/loop-control").exists() and shutil.which("losetup")
pytestmark = pytest.mark.skipif(not HAS_LOOP, reason="needs root, /dev/loop-control and losetup")

IN_DATA = 5 * MIB + 20_000


@pytest.fixture
def image(tmp_path):
    return card_image(tmp_path / "card.img")


@contextmanager
def loop(backing: Path, *options: str) -> Iterator[str]:
    """A block device that is the file."""
    try:
        made = subprocess.run(
            ["losetup", "--find", "--show", *options, str(backing)],
            capture_output=True,
            text=True,
            check=True,
        )
    except subprocess.CalledProcessError as fault:
        pytest.skip(f"no loop device to be had: {fault.stderr}")
    device = made.stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


@pytest.fixture
def card(tmp_path) -> Path:
    """A used card: nothing on it is zero."""
    path = tmp_path / "backing"
    path.write_bytes(b"\xee" * 16 * MIB)
    return path


def flashed(image, device: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return skerry("flash", str(image), device, "--yes", *options, check=False)


def test_a_used_card_then_is_the_image_its_holes_too(image, card):
    with loop(card) as device:
        done = flashed(image, device)
        assert done.returncode == 0, done.stderr
        assert f"eject {device}" in done.stdout
    assert card.read_bytes() == image.read_bytes() + b"\xee" * 8 * MIB


def test_settings_are_on_the_card(image, card):
    with loop(card) as device:
        done = flashed(image, device, "--name", "barn", "--cloud", "https://c", "--token", "t0k")
        assert done.returncode == 0, done.stderr
    data = card.read_bytes()
    assert b'name = "barn"' in data
    assert b"t0k" in data
    assert data[5 * MIB : 8 * MIB] == image.read_bytes()[5 * MIB :]


def test_sectors_of_4096_bytes_are_written_too(image, card):
    with loop(card, "--sector-size", "4096") as device:
        done = flashed(image, device, "--name", "barn")
        assert done.returncode == 0, done.stderr
    assert b'name = "barn"' in card.read_bytes()


def test_nobody_is_asked_where_nobody_can_answer(image, card):
    with loop(card) as device:
        done = skerry("flash", str(image), device, check=False)
        assert done.returncode == 1
        assert "everything on it would be lost; to go on: --yes" in done.stderr
    assert card.read_bytes() == b"\xee" * 16 * MIB


@pytest.mark.parametrize(
    ("options", "size", "limit", "message"),
    [
        (("--read-only",), 16 * MIB, 256, "is read-only"),
        ((), 4 * MIB, 256, "has 4194304 bytes, the image 8388608; take a larger card"),
        ((), 300 * 10**9, 256, "if it is the right one: --size-limit 300"),
    ],
)
def test_a_card_that_will_not_do_is_refused(image, tmp_path, options, size, limit, message):
    backing = tmp_path / "other"
    backing.touch()
    os.truncate(backing, size)
    with loop(backing, *options) as device:
        done = flashed(image, device, "--size-limit", str(limit))
        assert done.returncode == 1
        assert message in done.stderr


def test_a_mounted_card_and_its_file_are_refused(image, tmp_path):
    if shutil.which("mke2fs") is None:
        pytest.skip("needs mke2fs (Debian: e2fsprogs)")
    backing, mount = tmp_path / "ext4", tmp_path / "my mount"
    mount.mkdir()
    subprocess.run(["mke2fs", "-q", "-t", "ext4", backing, "16M"], check=True)
    with loop(backing) as device:
        subprocess.run(["mount", device, mount], check=True)
        try:
            assert f"first: umount '{mount}'" in flashed(image, device).stderr
            assert f"first: losetup -d {device}" in flashed(image, str(backing)).stderr
        finally:
            subprocess.run(["umount", mount], check=True)


def test_a_partition_is_refused_and_names_its_disk(image, tmp_path):
    with loop(image, "--partscan") as device:
        part = f"{device}p1"
        if not Path(part).exists():
            pytest.skip("the kernel shows no partitions of loop devices here")
        assert f"is a partition; give the whole disk, {device}" in flashed(image, part).stderr


def test_a_packed_image_larger_than_the_card_is_refused_before_it_is_written(image, tmp_path):
    packed = tmp_path / "card.img.gz"
    packed.write_bytes(gzip.compress(image.read_bytes()))
    backing = tmp_path / "small"
    backing.write_bytes(b"\xee" * 4 * MIB)
    with loop(backing) as device:
        done = flashed(packed, device)
        assert done.returncode == 1
        assert "has 4194304 bytes, the image 8388608; take a larger card" in done.stderr
    assert backing.read_bytes() == b"\xee" * 4 * MIB


@pytest.mark.skipif(not AVAILABLE, reason="needs /dev/fuse")
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault.WRITE_ERROR, "Input/output error"),
        (Fault.READ_ERROR, "Input/output error"),
        (Fault.READ_FLIP, "something else than was written"),
        (Fault.SWALLOW, "something else than was written"),
        (Fault.VANISH, "Input/output error"),
    ],
)
def test_a_block_device_that_fails_is_told(image, tmp_path, fault, message):
    with faulty_disk(tmp_path / "mount", fault, IN_DATA) as disk, loop(disk.path) as device:
        done = flashed(image, device)
        assert done.returncode == 1
        assert message in done.stderr
        assert done.stdout == ""
