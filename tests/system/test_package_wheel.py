"""The wheel: the same bytes every time, papers that are checked, and a program that starts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from boards.package.wheel import build
from tests.support.system import skerry

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


def test_building_twice_gives_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    again = build(tmp_path)
    assert again.read_bytes() == wheel.read_bytes()
    assert [file.name for file in sorted(tmp_path.iterdir())] == [
        wheel.name,
        f"{wheel.name}.cdx.json",
        f"{wheel.name}.intoto.json",
    ]


def test_its_papers_are_checked(wheel: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    skerry("keys", "init", keys=keys)
    skerry("image", "sign", str(wheel), keys=keys)
    said = skerry("verify", str(wheel), "--trust-root", str(keys / "root.cose")).stdout
    assert "package skerry" in said
    inside = json.loads(wheel.with_name(f"{wheel.name}.cdx.json").read_text())
    parts = {part["name"]: part for part in inside["components"]}
    assert {"wasmtime", "lmdb", "sqlalchemy", "cffi", "h11"} <= parts.keys()
    assert "pytest" not in parts
    assert all(part["hashes"] and part["licenses"] for part in parts.values())


def test_it_is_installed_and_starts(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", place, wheel]
    subprocess.run(install, check=True, capture_output=True)
    program = "import skerry; skerry.main(['boards'])"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(place)!r}); {program}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert "rpi3" in done.stdout, done.stderr
