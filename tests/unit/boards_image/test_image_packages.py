"""Packages are known by their bytes, and found where this machine finds its own."""

from pathlib import Path

import pytest

from boards.debian import mirrors, names_of
from boards.image.errors import PackageError
from boards.packages import SETS, read_lock, unpacked


def test_mirrors_are_the_machines_own():
    targets = "http://near/debian/|Debian\nhttp://far/sec/|Debian-Security\nhttp://x/|Other\n"
    assert mirrors(targets) == {
        "debian": "http://near/debian/",
        "debian-security": "http://far/sec/",
    }


def test_a_machine_without_a_debian_archive_is_told_what_to_add():
    with pytest.raises(PackageError, match="add one to its sources"):
        mirrors("http://x/|Other\n")


def test_versions_are_read_from_what_apt_would_download():
    listing = "'http://m/b_1%3a2_arm64.deb' b_1%3a2_arm64.deb 5 MD5Sum:0\nnoise\n"
    assert names_of(listing) == [("b", "1:2", "arm64")]


def test_every_set_is_pinned_by_digest():
    lock = read_lock()
    assert lock.keys() == SETS.keys()
    assert all(len(pin.sha256) == 64 and pin.size for pins in lock.values() for pin in pins)


def test_the_lock_names_no_mirror():
    text = (Path(__file__).parents[3] / "boards/lock/arm64.json").read_text()
    assert "http" not in text


def test_a_broken_lock_says_how_to_write_it_anew(tmp_path):
    broken = tmp_path / "lock.json"
    broken.write_text("{")
    with pytest.raises(PackageError, match="lock --refresh"):
        read_lock(broken)


def test_an_unknown_set_is_named(tmp_path):
    with pytest.raises(PackageError, match="no package set 'nothing'"):
        unpacked("nothing", {}, tmp_path, print)
