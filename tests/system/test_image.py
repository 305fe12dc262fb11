"""An image is the same bytes every time, from whatever directory it is built."""

import json
import subprocess

import pytest

from boards.image.build import PROJECT, build

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CACHE = PROJECT / ".cache/boards"


@pytest.mark.parametrize("board", ["virt", "rpi3"])
def test_building_twice_gives_the_same_bytes(tmp_path, board):
    CACHE.mkdir(parents=True, exist_ok=True)
    first = build(board, tmp_path / "one/image.img", CACHE, print, compiled=False)
    again = build(board, tmp_path / "two/image.img", CACHE, print, compiled=False)
    assert again.sha256 == first.sha256
    assert again.sbom.read_bytes() == first.sbom.read_bytes()
    assert again.provenance.read_bytes() == first.provenance.read_bytes()
    parts = {part["name"] for part in json.loads(first.sbom.read_bytes())["components"]}
    assert {"python3.11-minimal", "wasmtime", "busybox-static"} <= parts
    assert ("raspi-firmware" in parts) == (board == "rpi3")
    listing = subprocess.run(
        ["mdir", "-b", "-i", f"{first.image}@@4M", "::/"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "::/skerry.toml" in listing
    assert ("::/start.elf" in listing) == (board == "rpi3")
