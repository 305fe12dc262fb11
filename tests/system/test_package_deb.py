"""The Debian package: the same bytes every time, and what it holds."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from boards.package.build import build
from tests.support.images import CACHE
from tests.support.system import skerry

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("package") / "agent.deb"
    build(file, CACHE, print, compiled=False)
    return file


def dpkg_deb(*arguments: object) -> str:
    done = subprocess.run(
        ["dpkg-deb", *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_building_twice_gives_the_same_bytes(package: Path, tmp_path: Path) -> None:
    again = build(tmp_path / "elsewhere/again.deb", CACHE, print, compiled=False)
    assert again == hashlib.sha256(package.read_bytes()).hexdigest()


def test_all_files_are_roots_and_settings_survive_an_upgrade(package: Path) -> None:
    listing = dpkg_deb("--contents", package).splitlines()
    assert all(line.split()[1] == "root/root" for line in listing)
    assert dpkg_deb("--info", package, "conffiles") == "/etc/skerry/skerry.toml\n"
    assert dpkg_deb("--field", package, "Architecture") == "arm64\n"
    assert "python3 (<< 3.12)" in dpkg_deb("--field", package, "Depends")


def test_it_says_what_it_was_built_from_and_that_is_checked(package: Path, tmp_path: Path) -> None:
    said = skerry("verify", str(package), "--unsigned").stdout
    assert "package skerry-agent" in said
    inside = json.loads(package.with_name(f"{package.name}.cdx.json").read_text())
    assert "wasmtime" in {part["name"] for part in inside["components"]}
    assert inside["metadata"]["component"]["type"] == "application"
    other = tmp_path / package.name
    for file in package.parent.glob(f"{package.name}*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    other.write_bytes(package.read_bytes() + b"x")
    refused = skerry("verify", str(other), "--unsigned", check=False)
    assert refused.returncode != 0
    assert "which its provenance does not name" in refused.stderr
