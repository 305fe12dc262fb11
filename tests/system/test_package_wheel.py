"""The wheel: the same bytes every time, papers that are checked, and a program that starts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from boards.package.wheel import build
from boards.python_guest import LICENCES, runtime
from tests.support.python_app import CACHE
from tests.support.system import skerry

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"), CACHE, print)


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder it is installed into, as pip does."""
    place = tmp_path_factory.mktemp("installed") / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", place, wheel]
    subprocess.run(install, check=True, capture_output=True)
    return place


def installed(site: Path, here: Path, *words: str) -> str:
    """What a verb of the installed program says, where there is no compiler and no checkout."""
    program = f"import sys; sys.path.insert(0, {str(site)!r}); import skerry; sys.exit(skerry.main({words!r}))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=here,
        env={"PATH": "", "HOME": str(here)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_building_twice_gives_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    again = build(tmp_path, CACHE, print)
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
    assert parts["micropython"]["licenses"] == [{"license": {"name": "MIT"}}]
    assert {"wasmtime", "lmdb", "sqlalchemy", "cffi", "h11"} <= parts.keys()
    assert "pytest" not in parts
    assert all(part["hashes"] and part["licenses"] for part in parts.values())


def test_it_is_installed_and_starts(site: Path, tmp_path: Path) -> None:
    assert "rpi3" in installed(site, tmp_path, "boards")


def test_an_app_in_python_is_made_built_and_tested_with_nothing_but_the_wheel(
    site: Path, tmp_path: Path
) -> None:
    installed(site, tmp_path, "app", "new", "--lang", "python", "sketch")
    assert "bytes" in installed(site, tmp_path, "app", "build", "sketch")
    module = (tmp_path / "sketch/build/sketch.wasm").read_bytes()
    assert module == runtime(CACHE, print).read_bytes()
    assert "ok    told to stop" in installed(site, tmp_path, "app", "test", "sketch")
    # MIT wants its text beside every copy.
    licences = site / "wasm_apps/python" / LICENCES
    assert "The MIT License" in (licences / "micropython").read_text()
    assert all(text.stat().st_size for text in licences.iterdir())
