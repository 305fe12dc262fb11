"""A Debian package by our own writer is one that Debian's tools read."""

import subprocess
from pathlib import Path

import pytest

from boards.package.archive import deb
from boards.package.build import FILES

CONTROL = {
    "control": b"Package: it\nVersion: 1\nArchitecture: all\nMaintainer: me <me@here>\n"
    b"Description: it\n",
    "postinst": b"#!/bin/sh\n",
}


def make(folder: Path) -> Path:
    tree = folder / "tree"
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/it").write_bytes(b"#!/bin/sh\necho it runs\n")
    (tree / "etc").mkdir()
    (tree / "etc/odd").write_bytes(b"odd")
    file = folder / "it.deb"
    file.write_bytes(deb(CONTROL, tree))
    return file


def dpkg_deb(*arguments: object) -> str:
    done = subprocess.run(
        ["dpkg-deb", *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_debians_tools_read_what_was_written(tmp_path):
    file = make(tmp_path)
    assert dpkg_deb("--field", file, "Package") == "it\n"
    listing = dpkg_deb("--contents", file)
    assert "-rwxr-xr-x root/root" in listing
    assert "./usr/bin/it" in listing
    dpkg_deb("--extract", file, tmp_path / "out")
    assert (tmp_path / "out/etc/odd").read_bytes() == b"odd"
    dpkg_deb("--control", file, tmp_path / "control")
    assert (tmp_path / "control/postinst").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "control/control").stat().st_mode & 0o777 == 0o644


def test_the_same_tree_elsewhere_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    assert make(tmp_path / "one").read_bytes() == make(tmp_path / "two").read_bytes()


@pytest.mark.parametrize("name", ["postinst", "prerm", "postrm", "skerry"])
def test_scripts_of_the_package_parse(name):
    assert subprocess.run(["sh", "-n", FILES / name], check=False).returncode == 0
