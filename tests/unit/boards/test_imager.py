"""The list that the stock Raspberry Pi Imager reads."""

import json

import msgspec
import pytest

from boards.board import find_board
from boards.errors import ImageFactsError
from boards.imager import ImageFacts, os_list

FACTS = ImageFacts(
    name="Skerry for Raspberry Pi 3",
    description="Runs sandboxed apps",
    url="https://cloud.example/v2/images/rpi3/barn.img.xz",
    released="2026-11-23",
    size=512 << 20,
    sha256="ab" * 32,
    download_size=60_000_000,
    download_sha256="cd" * 32,
    devices=find_board("rpi3").imager_devices,
)
REQUIRED = {
    *("name", "description", "icon", "url", "extract_size", "extract_sha256"),
    *("image_download_size", "release_date", "devices"),
}
"""By doc/json-schema/os-list-schema.json and doc/schema-notes.md of rpi-imager."""


def test_an_entry_has_everything_that_the_imager_asks_for():
    listed = json.loads(os_list([FACTS]))
    assert set(listed) == {"os_list"}
    entry = listed["os_list"][0]
    assert set(entry) >= REQUIRED
    assert entry["extract_size"] == 512 << 20
    assert entry["extract_sha256"] == "ab" * 32
    assert entry["image_download_sha256"] == "cd" * 32
    assert entry["devices"] == ["pi3-64bit"]


def test_the_imagers_own_settings_are_not_offered_as_our_images_do_not_read_them():
    assert "init_format" not in json.loads(os_list([FACTS]))["os_list"][0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("url", "https://x/y.iso"),
        ("released", "today"),
        ("size", 1000),
        ("sha256", "AB" * 32),
        ("download_size", 0),
        ("download_sha256", ""),
        ("devices", []),
    ],
)
def test_a_wrong_fact_is_named(field: str, value: object):
    with pytest.raises(ImageFactsError, match=f": {field}:"):
        os_list([msgspec.structs.replace(FACTS, **{field: value})])
