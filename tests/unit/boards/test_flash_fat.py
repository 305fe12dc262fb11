"""One file of a FAT boot partition, replaced; checked with fsck.fat and mtools where they are."""

import shutil
import subprocess
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boards.errors import BootPartitionError
from boards.flash.fat import Fat, boot_partition
from tests.support.card_image import BOOT_START, MIB, TEMPLATE, card_image

NAME = "skerry.toml"


@pytest.fixture(params=[False, True], ids=["fat16", "fat32"])
def image(request, tmp_path):
    return bytearray(card_image(tmp_path / "card.img", wide=request.param).read_bytes())


def opened(image: bytearray) -> Fat:
    return Fat(lambda at, size: bytes(image[at : at + size]), boot_partition(bytes(image[:512])))


def replace(image: bytearray, data: bytes) -> None:
    fat = opened(image)
    for edit in fat.replacing(fat.find(NAME), data):
        image[edit.offset : edit.offset + len(edit.data)] = edit.data


def content(image: bytearray) -> bytes:
    fat = opened(image)
    return fat.read(fat.find(NAME), 1 << 20)


def test_the_file_is_found_by_its_long_name_in_any_case(image):
    assert content(image) == TEMPLATE
    assert opened(image).find("SKERRY.TOML") == opened(image).find(NAME)


@settings(max_examples=15)
@given(st.lists(st.integers(0, 9000), min_size=1, max_size=4))
def test_whatever_is_written_is_read_again(image, sizes):
    for size in sizes:
        data = bytes(index % 251 for index in range(size))
        replace(image, data)
        assert content(image) == data


@pytest.mark.parametrize("sizes", [(0,), (512,), (9000, 100), (100, 9000, 0, 513)])
def test_the_file_system_stays_whole(image, sizes, tmp_path):
    for size in sizes:
        replace(image, b"x" * size)
    if shutil.which("fsck.fat") is None:
        pytest.skip("needs fsck.fat (Debian: dosfstools)")
    part = tmp_path / "boot"
    part.write_bytes(image[BOOT_START : BOOT_START + (40 if len(image) > 16 * MIB else 4) * MIB])
    done = subprocess.run(
        ["fsck.fat", "-n", str(part)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_mtools_reads_what_was_written(image, tmp_path):
    if shutil.which("mtype") is None:
        pytest.skip("needs mtype (Debian: mtools)")
    replace(image, b"name = 'barn'\n" * 200)
    path = tmp_path / "edited.img"
    path.write_bytes(image)
    done = subprocess.run(
        ["mtype", "-i", f"{path}@@1M", f"::{NAME}"], capture_output=True, check=False
    )
    assert done.stdout == b"name = 'barn'\n" * 200


def test_nothing_but_the_boot_partition_is_edited(image):
    before = bytes(image)
    replace(image, b"y" * 5000)
    assert image[:BOOT_START] == before[:BOOT_START]
    end = 5 * MIB if len(image) < 16 * MIB else 41 * MIB
    assert image[end:] == before[end:]


def test_an_edit_cut_anywhere_leaves_the_old_settings_or_the_new(image):
    fat = opened(image)
    new = b"z" * 3000
    seen = []
    for edit in fat.replacing(fat.find(NAME), new):
        image[edit.offset : edit.offset + len(edit.data)] = edit.data
        seen.append(content(image))
    switch = seen.index(new)
    assert set(seen[:switch]) == {TEMPLATE}
    assert set(seen[switch:]) == {new}


def test_a_full_partition_is_an_error(image):
    with pytest.raises(BootPartitionError, match="full"):
        replace(image, bytes(64 * MIB))


def test_an_image_without_settings_is_none_of_ours(tmp_path):
    image = bytearray(card_image(tmp_path / "x.img", settings=None).read_bytes())
    with pytest.raises(BootPartitionError, match=r"has no skerry\.toml: this is no Skerry image"):
        content(image)


@pytest.mark.parametrize(
    ("at", "data", "message"),
    [
        (510, b"\0\0", "no partition table"),
        (450, b"\x83", "no FAT partition"),
        (BOOT_START + 510, b"\0\0", "holds no FAT file system"),
        (BOOT_START + 11, b"\0\0", "holds no FAT file system"),
        (BOOT_START + 13, b"\0", "damaged"),
        (BOOT_START + 13, b"\x80", "FAT12 or damaged"),
    ],
)
def test_damage_is_told(image, at: int, data: bytes, message: str):
    image[at : at + len(data)] = data
    if message == "no FAT partition":
        image[446 + 16 + 4] = 0x83
    with pytest.raises(BootPartitionError, match=message):
        content(image)


def test_a_chain_that_bites_its_tail_ends(image):
    replace(image, b"x" * 2000)
    fat = opened(image)
    first = fat.find(NAME).first
    wide = len(image) > 16 * MIB
    at = fat._table_at[0] + first * (4 if wide else 2)
    image[at : at + 2] = first.to_bytes(2, "little")
    with pytest.raises(BootPartitionError, match="chain"):
        content(image)


@settings(max_examples=60)
@given(st.data())
def test_random_damage_is_an_error_of_ours_or_none(image, data):
    hurt = bytearray(image)
    for _ in range(data.draw(st.integers(1, 6))):
        hurt[data.draw(st.integers(BOOT_START, BOOT_START + 520))] = data.draw(st.integers(0, 255))
    with suppress(BootPartitionError):
        content(hurt)
