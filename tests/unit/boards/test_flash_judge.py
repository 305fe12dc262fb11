"""Which targets are refused, and what the person is told to do."""

import os
from pathlib import Path

import pytest

from boards.errors import TargetRefusedError
from boards.flash.judge import GB, Facts, Kind, Use, judge
from boards.flash.machine import Machine

CARD = Facts(Path("/dev/sdx"), Kind.BLOCK, size=32 * GB, family=frozenset({(8, 16), (8, 17)}))


def changed(**fields) -> Facts:
    return Facts(**{name: getattr(CARD, name) for name in Facts.__slots__} | fields)


def refusal(facts: Facts, *, image_size: int | None = GB, limit_gb=256, sure=False) -> str:
    with pytest.raises(TargetRefusedError) as caught:
        judge(facts, image_size=image_size, limit_gb=limit_gb, sure=sure)
    return str(caught.value)


def test_a_card_that_nobody_uses_is_taken():
    judge(CARD, image_size=GB, limit_gb=256, sure=False)
    judge(CARD, image_size=None, limit_gb=256, sure=False)


@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        ({"uses": [Use((8, 17), "/media/my card")]}, "first: umount '/media/my card'"),
        ({"uses": [Use((8, 17), "/")]}, "holds the system that runs here"),
        ({"uses": [Use((8, 16), "swap")]}, "holds the system that runs here"),
        ({"disk": "/dev/sdx"}, "is a partition; give the whole disk, /dev/sdx"),
        ({"read_only": True}, "is read-only; slide the card's lock"),
        ({"writable": False}, "run it with sudo"),
        ({"size": 0}, "no card in the reader?"),
        ({"size": 1000 * GB}, "if it is the right one: --size-limit 1000"),
        ({"size": GB - 512}, "take a larger card"),
        ({"kind": Kind.OTHER}, "give the card (see: lsblk) or a file"),
        ({"kind": Kind.FILE}, "exists; to overwrite it: --yes"),
        ({"kind": Kind.FILE, "loops": ["/dev/loop7"]}, "first: losetup -d /dev/loop7"),
        ({"kind": Kind.NEW, "size": 5}, "make room"),
    ],
)
def test_a_refusal_says_what_to_do(fields, remedy: str):
    assert remedy in refusal(changed(**fields))


def test_what_others_have_mounted_is_no_reason():
    judge(changed(uses=[Use((8, 1), "/")]), image_size=GB, limit_gb=256, sure=False)


def test_a_large_disk_is_taken_when_the_person_says_how_large():
    judge(changed(size=1000 * GB), image_size=GB, limit_gb=1000, sure=False)


def test_yes_does_not_open_the_way_to_a_mounted_disk():
    assert "umount" in refusal(changed(uses=[Use((8, 16), "/mnt")]), sure=True)


@pytest.fixture
def machine(tmp_path) -> Machine:
    """A /proc and /sys in which (1, 5), really /dev/zero's number, is a disk below LVM.

    The disk has a partition (8, 17); a volume (253, 0) lies on that and is mounted.
    """
    disk = tmp_path / "sys/devices/usb/block/sdx"
    part, volume = disk / "sdx1", tmp_path / "sys/devices/virtual/block/dm-0"
    for place, number in ((disk, "8:16"), (part, "8:17"), (volume, "253:0")):
        place.mkdir(parents=True)
        (place / "dev").write_text(f"{number}\n")
        link = tmp_path / "sys/dev/block" / number
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(place)
    (part / "partition").write_text("1\n")
    (part / "holders").mkdir()
    (part / "holders/dm-0").symlink_to(volume)
    (disk / "size").write_text("62333952\n")
    (disk / "ro").write_text("1\n")
    (disk / "device").mkdir()
    (disk / "device/vendor").write_text("SanDisk \n")
    (disk / "device/model").write_text("Ultra   \n")
    proc = tmp_path / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "self/mountinfo").write_text(
        "36 35 253:0 / /mnt/my\\040card rw,noatime shared:1 - ext4 /dev/mapper/v rw\n"
        "37 35 0:50 /@ /home rw - btrfs /dev/null rw\n"
    )
    (proc / "swaps").write_text("Filename Type Size Used Priority\n")
    return Machine(proc, tmp_path / "sys")


def test_a_disk_is_known_with_its_partitions_and_what_is_built_on_them(machine):
    facts = machine._block_facts(Path("/dev/sdx"), (8, 16))
    assert facts.family == {(8, 16), (8, 17), (253, 0)}
    assert facts.size == 62333952 * 512
    assert facts.read_only
    assert facts.model == "SanDisk Ultra"
    assert facts.disk is None
    assert Use((253, 0), "/mnt/my card") in facts.uses


def test_a_volume_mounted_from_the_disk_keeps_it_from_being_written(machine):
    facts = machine._block_facts(Path("/dev/sdx"), (8, 16))
    assert "umount '/mnt/my card'" in refusal(facts)


def test_a_partition_is_known_as_one(machine):
    assert machine._block_facts(Path("/dev/sdx1"), (8, 17)).disk == "/dev/sdx"


def test_the_disk_that_this_machine_runs_from_is_refused():
    found = Path("/").stat().st_dev
    place = Path(f"/sys/dev/block/{os.major(found)}:{os.minor(found)}")
    if not place.exists():
        pytest.skip("/ is on no block device here")
    disk = place.resolve()
    disk = disk.parent if (disk / "partition").exists() else disk
    facts = Machine().facts(Path("/dev") / disk.name)
    assert "holds the system that runs here" in refusal(facts, image_size=512, limit_gb=10**6)


def test_files_directories_and_pipes_are_told_apart(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    kinds = [Machine().facts(tmp_path / name).kind for name in ("file", "new", ".")]
    assert kinds == [Kind.FILE, Kind.NEW, Kind.OTHER]
    assert Machine().facts(Path("/dev/null")).kind is Kind.OTHER
