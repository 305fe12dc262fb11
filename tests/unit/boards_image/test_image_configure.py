"""configure.py on a board: settings that are good, wrong, gone; never a board without any."""

import importlib.util
from pathlib import Path

import pytest

from boards.errors import PreseedError
from boards.image.boot import BOOT_RESERVE, INITRAMFS, KERNEL, SLOT_BUDGET, check_room
from boards.image.errors import SpaceError
from boards.preseed import Preseed, Wifi

FILE = Path(__file__).parents[3] / "boards/image/files/configure.py"


@pytest.fixture
def configure():
    spec = importlib.util.spec_from_file_location("configure", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def said(configure, monkeypatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(configure, "say", lines.append)
    return lines


def test_good_settings_are_used_and_kept_and_written_once(configure, said, tmp_path):
    file, kept = tmp_path / "skerry.toml", tmp_path / "data.toml"
    file.write_text('[node]\nname = "barn"\n[cloud]\nurl = "http://c"\ntoken = "t"\n')
    settings = configure.settings_of(file, kept)
    first = kept.stat()
    assert configure.settings_of(file, kept) == settings
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert (settings.node.name, settings.cloud.token, said) == ("barn", "t", [])


def test_a_wrong_file_names_its_key_and_gives_the_last_good_settings(configure, said, tmp_path):
    file, kept = tmp_path / "skerry.toml", tmp_path / "data.toml"
    file.write_text('[node]\nname = "barn"\n')
    good = configure.settings_of(file, kept)
    file.write_text('[wifi]\nssid = "x"\npsk = "short"\n')
    assert configure.settings_of(file, kept) == good
    assert "wifi.psk" in said[0]
    assert "short" not in " ".join(said)
    assert "last good settings" in said[1]


@pytest.mark.parametrize("kept", [None, b"\xff broken"])
def test_without_any_good_settings_the_board_still_starts(configure, said, tmp_path, kept):
    if kept is not None:
        (tmp_path / "data.toml").write_bytes(kept)
    settings = configure.settings_of(tmp_path / "none.toml", tmp_path / "data.toml")
    assert settings == Preseed()
    assert "correct skerry.toml on the card" in said[-1]


def test_wifi_settings_hold_any_name_and_either_kind_of_key(configure, said):
    passphrase = configure.wifi_settings(Wifi(ssid='a"b\\', psk="correct horse", country="DE"))
    assert "ssid=6122625c\n" in passphrase
    assert 'psk="correct horse"' in passphrase
    assert "country=DE" in passphrase
    assert f"psk={'ab' * 32}\n" in configure.wifi_settings(Wifi(ssid="x", psk="ab" * 32))
    assert "key_mgmt=NONE" in configure.wifi_settings(Wifi(ssid="x"))
    assert "wifi.country is missing" in said[0]


def test_an_error_of_the_settings_is_the_flashers_own(configure):
    assert configure.PreseedError is PreseedError


def test_an_image_keeps_room_for_another_kernel_and_a_small_slot():
    files = {KERNEL: bytes(30 << 20), INITRAMFS: bytes(1 << 20)}
    check_room(files, (62 << 20) + BOOT_RESERVE, SLOT_BUDGET)
    with pytest.raises(SpaceError, match="second kernel"):
        check_room(files, (61 << 20) + BOOT_RESERVE, SLOT_BUDGET)
    with pytest.raises(SpaceError, match=r"slot: 64\.0 MB"):
        check_room(files, 124 << 20, SLOT_BUDGET + 1)
