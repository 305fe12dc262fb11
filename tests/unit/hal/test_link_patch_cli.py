"""`skerry firmware delta`, and what `update --patch` refuses before it looks for a device."""

import argparse
from pathlib import Path

import pytest

from hal.link import cli
from hal.link import patch as patches
from hal.link.patch import PatchFileError
from tests.support.updated_chip import NEW, OLD, image


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "old.bin").write_bytes(OLD)
    (tmp_path / "new.bin").write_bytes(NEW)
    return tmp_path


def delta(folder: Path) -> None:
    cli.delta(
        argparse.Namespace(
            old=folder / "old.bin", new=folder / "new.bin", output=folder / "up.patch"
        )
    )


def update(folder: Path, image_name: str) -> None:
    cli.update(
        argparse.Namespace(
            image=folder / image_name,
            patch=folder / "up.patch",
            port=folder / "no-port",
            baudrate=115_200,
            downgrade=False,
        )
    )


def test_delta_writes_the_patch_and_says_how_long_it_is(
    files: Path, capsys: pytest.CaptureFixture[str]
):
    delta(files)
    data = (files / "up.patch").read_bytes()
    assert patches.apply(patches.parse(data), OLD) == NEW
    said = capsys.readouterr().out
    assert f"0.1.0 to 0.2.0, {len(data)} bytes, 0." in said
    assert "% of the image\n" in said


def test_a_patch_that_is_too_long_for_devices_is_said_to_be(
    files: Path, capsys: pytest.CaptureFixture[str]
):
    noise = bytes(at * 197 * (at >> 7) & 255 for at in range(140_000))
    (files / "new.bin").write_bytes(image("0.2.0", more=noise))
    delta(files)
    assert "devices take 131072, so they are sent the image" in capsys.readouterr().out


def test_a_patch_to_another_image_than_the_one_that_is_given_is_refused(files: Path):
    delta(files)
    with pytest.raises(PatchFileError, match=r"up\.patch: makes another image"):
        update(files, "old.bin")
    (files / "up.patch").write_bytes(b"no patch" * 40)
    with pytest.raises(PatchFileError, match=r"up\.patch: patch: none of ours"):
        update(files, "new.bin")
