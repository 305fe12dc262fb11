"""`skerry firmware flash` to what behaves as a boot loader's drive, and to what does not."""

import os
import pty
import subprocess
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from boards.mcu import drive as drives
from boards.uf2 import FAMILIES, RP2040_FLASH, pack
from tests.support.faulty_disk import AVAILABLE, Fault, faulty_disk
from tests.support.system import skerry, until
from tests.support.uf2_drive import INFO, Uf2Drive

FIRMWARE = pack({RP2040_FLASH: bytes(range(256)) * 1200}, FAMILIES["rp2040"])


@pytest.fixture
def image(tmp_path: Path) -> Path:
    file = tmp_path / "firmware.uf2"
    file.write_bytes(FIRMWARE)
    return file


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Uf2Drive]:
    made = Uf2Drive(tmp_path / "drive")
    yield made
    made.stop()


def flashed(image: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return skerry("firmware", "flash", str(image), *options, check=False)


def test_the_drive_gets_every_byte_and_its_going_is_the_end(
    image: Path, drive: Uf2Drive, tmp_path: Path
) -> None:
    done = flashed(image, "--drive", str(tmp_path / "drive"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "300 KiB written; RPI-RP2 has started it" in done.stdout
    assert drive.taken == FIRMWARE


def test_firmware_for_another_part_is_refused_and_nothing_written(
    drive: Uf2Drive, tmp_path: Path
) -> None:
    other = tmp_path / "other.uf2"
    other.write_bytes(pack({RP2040_FLASH: bytes(1000)}, FAMILIES["rp2350-arm-s"]))
    done = flashed(other, "--drive", str(tmp_path / "drive"))
    assert done.returncode == 1
    assert "RPI-RP2 runs firmware for rp2040, and this is for rp2350-arm-s" in done.stderr
    assert [path.name for path in (tmp_path / "drive").iterdir()] == ["INFO_UF2.TXT"]


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (None, "no UF2 drive: INFO_UF2.TXT: No such file"),
        ("UF2 Bootloader\n", "names no Board-ID"),
        ("Board-ID: SAMD21G18A\n", "its board is SAMD21G18A, unknown here; known: RPI-RP2"),
    ],
)
def test_a_folder_that_is_no_drive_known_here_is_refused(
    image: Path, tmp_path: Path, info: str | None, words: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    if info is not None:
        (folder / "INFO_UF2.TXT").write_text(info)
    done = flashed(image, "--drive", str(folder))
    assert done.returncode == 1
    assert words in done.stderr
    assert not (folder / drives.COPY_AS).exists()


def test_a_file_that_is_no_firmware_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "firmware.uf2"
    for data, words in ((b"#!/bin/sh\n", "not whole blocks"), (FIRMWARE[:-512], "cut off")):
        file.write_bytes(data)
        done = flashed(file, "--drive", str(tmp_path))
        assert done.returncode == 1
        assert words in done.stderr
    done = flashed(tmp_path / "none.uf2")
    assert "none.uf2: No such file" in done.stderr


def test_without_a_drive_it_says_how_to_get_one(image: Path) -> None:
    done = flashed(image)
    assert done.returncode == 1
    assert "hold the board's BOOTSEL button while you plug it in" in done.stderr


@contextmanager
def mounted(place: Path, info: str = INFO) -> Iterator[Path]:
    """A disk that is mounted, as a drive's would be. Its file system is one that this kernel has."""
    place.mkdir()
    backing = place.with_suffix(".disk")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", backing, "4M"], check=True)
    done = subprocess.run(["mount", "-o", "loop", backing, place], check=False)
    if done.returncode:
        pytest.skip("cannot mount a disk here")
    try:
        (place / "INFO_UF2.TXT").write_text(info)
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_mounted_drive_is_found_and_of_two_one_must_be_named(
    image: Path, tmp_path: Path
) -> None:
    with mounted(tmp_path / "my drive") as place:
        assert [found.path for found in drives.drives()] == [place]
        with mounted(tmp_path / "other"):
            assert "several UF2 drives" in flashed(image).stderr
        talking = threading.Thread(target=_take, args=(place,))
        talking.start()
        done = flashed(image)
        talking.join()
        assert f"{place}: 300 KiB written" in done.stdout
        assert drives.drives() == []


def _take(place: Path) -> None:
    """What the loader does when the file is there: be gone."""
    until((place / drives.COPY_AS).exists, "the file has come", 60)
    until(lambda: (place / drives.COPY_AS).stat().st_size == len(FIRMWARE), "all of it", 60)
    (place / "INFO_UF2.TXT").unlink()


def test_a_drive_that_stays_has_not_taken_it(tmp_path: Path) -> None:
    (tmp_path / "INFO_UF2.TXT").write_text(INFO)
    with pytest.raises(drives.DeviceFailedError, match="the drive is still there"):
        drives.put(FIRMWARE, drives.looked_at(tmp_path), lambda _done, _all: None, gone_after=0.2)


@pytest.mark.skipif(not AVAILABLE, reason="needs root and /dev/fuse")
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.FULL, "No space left on device"),
        (Fault.WRITE_ERROR, "Input/output error"),
        (Fault.SYNC_ERROR, f"Input/output error after {len(FIRMWARE)} of {len(FIRMWARE)} bytes"),
    ],
)
def test_a_drive_that_fails_is_told_with_what_to_do(
    image: Path, tmp_path: Path, fault: Fault, words: str
) -> None:
    folder = tmp_path / "drive"
    folder.mkdir()
    (folder / "INFO_UF2.TXT").write_text(INFO)
    with faulty_disk(tmp_path / "mount", fault, 100_000) as disk:
        (folder / drives.COPY_AS).symlink_to(disk.path)
        done = flashed(image, "--drive", str(folder))
    assert done.returncode == 1
    assert words in done.stderr
    assert "unfinished: plug it in with BOOTSEL held and flash it again" in done.stderr


@pytest.mark.skipif(not AVAILABLE, reason="needs root and /dev/fuse")
def test_short_writes_are_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "drive"
    folder.mkdir()
    (folder / "INFO_UF2.TXT").write_text(INFO)
    with faulty_disk(tmp_path / "mount", Fault.SHORT_WRITE, 100_000) as disk:
        (folder / drives.COPY_AS).symlink_to(disk.path)
        with pytest.raises(drives.DeviceFailedError, match="the drive is still there"):
            drives.put(FIRMWARE, drives.looked_at(folder), lambda _d, _a: None, gone_after=0.1)
        assert disk.path.read_bytes() == FIRMWARE


def test_what_has_no_prompt_is_touched_at_1200_baud(image: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        name = os.ttyname(theirs)
        done = flashed(image, "--port", name, "--wait", "0.1")
        assert "led to its boot loader by 1200 baud" in done.stdout
        assert "no UF2 drive" in done.stderr
        assert termios.tcgetattr(theirs)[4:6] == [termios.B1200, termios.B1200]
    finally:
        os.close(ours)
        os.close(theirs)


def test_what_has_micropythons_prompt_is_asked_there(image: Path) -> None:
    ours, theirs = pty.openpty()
    heard = bytearray()

    def prompt() -> None:
        while b"\x01" not in heard:
            heard.extend(os.read(ours, 100))
        os.write(ours, b"Traceback ... KeyboardInterrupt\r\nraw REPL; CTRL-B to exit\r\n>")
        while b"\x04" not in heard:
            heard.extend(os.read(ours, 100))

    talking = threading.Thread(target=prompt)
    talking.start()
    try:
        done = flashed(image, "--port", os.ttyname(theirs), "--wait", "0.1")
        talking.join(10)
    finally:
        os.close(ours)
        os.close(theirs)
    assert "led to its boot loader by MicroPython's prompt" in done.stdout
    assert heard.endswith(b"import machine; machine.bootloader()\x04")


def test_a_port_that_is_none_is_refused(image: Path, tmp_path: Path) -> None:
    for port, words in ((tmp_path / "tty", "No such file"), (image, "no serial port")):
        done = flashed(image, "--port", str(port))
        assert done.returncode == 1
        assert words in done.stderr


def test_picotool_is_used_where_no_drive_is_mounted(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "picotool"
    program.write_text(
        f'#!/bin/sh\necho "$@" >{tmp_path}/told\n[ -e {tmp_path}/board ] || '
        '{ echo "No accessible RP-series devices" >&2; exit 249; }\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    done = flashed(image)
    assert done.returncode == 1
    assert "picotool says: No accessible RP-series devices" in done.stderr
    (tmp_path / "board").touch()
    assert "written, verified and started by picotool" in flashed(image).stdout
    assert (tmp_path / "told").read_text() == f"load --verify --execute {image}\n"
