"""The Debian package: the same bytes every time, and what it holds."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from boards.package.build import build
from tests.support.images import CACHE

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
