"""`skerry flash` to a disk that fails: each fault is a clear error, and the card does not boot."""

import signal
import subprocess
import sys

import pytest

from tests.support.card_image import MIB, card_image
from tests.support.faulty_disk import AVAILABLE, Fault, faulty_disk
from tests.support.system import ROOT, skerry

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="needs root and /dev/fuse")

IN_DATA = 5 * MIB + 20_000
"""A byte that the image fills."""
IN_HOLE = 7 * MIB
HEARS_INTERRUPTS = ("env", "--default-signal=INT")
"""A shell starts what it puts in the background deaf to Ctrl-C, and so all that this starts."""
PROGRAM = (sys.executable, str(ROOT / "skerry.py"))


@pytest.fixture
def image(tmp_path):
    return card_image(tmp_path / "card.img")


def flashed(image, disk, *options: str) -> "subprocess.CompletedProcess[str]":
    return skerry("flash", str(image), str(disk.path), "--yes", *options, check=False)


def test_a_disk_without_faults_is_written(image, tmp_path):
    with faulty_disk(tmp_path / "mount", Fault.NONE) as disk:
        done = flashed(image, disk, "--name", "barn")
        assert done.returncode == 0
        assert disk.path.read_bytes()[5 * MIB :] == image.read_bytes()[5 * MIB :]


@pytest.mark.parametrize("direct", [True, False], ids=["uncached", "cached"])
@pytest.mark.parametrize(
    ("fault", "offset", "message"),
    [
        (Fault.WRITE_ERROR, IN_DATA, "writing at byte 5255168: Input/output error"),
        (Fault.SHORT_WRITE, IN_DATA, "bytes at byte 5255168 and gave no reason"),
        (Fault.FULL, IN_DATA, "No space left on device: no room for the image"),
        (Fault.SYNC_ERROR, 0, "finishing writes at byte"),
        (Fault.READ_ERROR, IN_DATA, "Input/output error: worn out or badly seated"),
        (Fault.READ_FLIP, IN_DATA, "it gives back something else than was written"),
        (Fault.READ_FLIP, IN_HOLE, "it gives back something else than was written"),
        (Fault.SWALLOW, IN_DATA, "a failing or counterfeit card"),
    ],
)
def test_a_fault_is_told_and_the_card_has_no_partition_table(
    image, tmp_path, fault, offset, message, direct
):
    with faulty_disk(tmp_path / "mount", fault, offset, direct=direct) as disk:
        done = flashed(image, disk, "--name", "barn")
        assert done.returncode == 1
        assert message in done.stderr
        assert "What is on it is unfinished: flash it again." in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert done.stdout == ""
        with disk.path.open("rb") as card:
            assert not any(card.read(MIB))


def test_a_disk_that_is_pulled_out_is_told(image, tmp_path):
    with faulty_disk(tmp_path / "mount", Fault.VANISH, IN_DATA) as disk:
        done = flashed(image, disk)
        assert done.returncode == 1
        assert "pulled out, or its reader failed" in done.stderr


def test_a_bit_that_changes_in_the_settings_is_told(image, tmp_path):
    """The byte is zero in the image's own `skerry.toml`, and is not read before the settings."""
    second_cluster = MIB + (4 + 2 * 32 + 32 + 1) * 512
    with faulty_disk(tmp_path / "mount", Fault.SETTLED_FLIP, second_cluster) as disk:
        done = flashed(image, disk, "--name", "barn")
        assert done.returncode == 1
        assert "the settings are not in it" in done.stderr
        assert "skerry.toml is not what was written" in done.stderr


def test_an_interrupted_card_is_told_and_has_no_partition_table(image, tmp_path):
    with faulty_disk(tmp_path / "mount", Fault.STALL, IN_DATA) as disk:
        process = subprocess.Popen(
            [*HEARS_INTERRUPTS, *PROGRAM, "flash", image, disk.path, "--yes"],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        disk.wait_for("stalled")
        process.send_signal(signal.SIGINT)
        disk.go_on()
        out, text = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "interrupted. What is on it is unfinished: flash it again." in text
        assert out == ""
        with disk.path.open("rb") as card:
            assert not any(card.read(MIB))
