"""The list of images that the stock Raspberry Pi Imager reads (`rpi-imager --repo URL`).

Pure: facts of images in, JSON out. Format: doc/json-schema of rpi-imager. `init_format` is left
out on purpose: the Imager would write its own settings, which our images do not read.
"""

import re
from collections.abc import Sequence

import msgspec

from boards.errors import ImageFactsError

_DIGEST = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_FORMATS = (".img", ".img.xz", ".img.gz", ".img.zst")


class ImageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One image, as built and as it is downloaded."""

    name: str
    description: str
    url: str
    """Where the file is had; `.img`, or packed as `.xz`, `.gz` or `.zst`."""
    icon: str = ""
    website: str = ""
    released: str
    """YYYY-MM-DD."""
    size: int
    """Bytes unpacked."""
    sha256: str
    """Of the unpacked image, in hex."""
    download_size: int
    download_sha256: str
    devices: Sequence[str]
    """Tags of `boards/*.toml`, `imager-devices`."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    description: str
    icon: str
    url: str
    website: str
    release_date: str
    extract_size: int
    extract_sha256: str
    image_download_size: int
    image_download_sha256: str
    devices: Sequence[str]
    architecture: str = "armv8"


class _List(msgspec.Struct, frozen=True):
    os_list: Sequence[_Entry]


def os_list(images: Sequence[ImageFacts]) -> bytes:
    """The list as indented JSON; raises ImageFactsError that names the field."""
    for image in images:
        _check(image)
    entries = [
        _Entry(
            name=image.name,
            description=image.description,
            icon=image.icon,
            url=image.url,
            website=image.website,
            release_date=image.released,
            extract_size=image.size,
            extract_sha256=image.sha256,
            image_download_size=image.download_size,
            image_download_sha256=image.download_sha256,
            devices=image.devices,
        )
        for image in images
    ]
    return msgspec.json.format(msgspec.json.encode(_List(entries)), indent=2) + b"\n"


def _check(image: ImageFacts) -> None:
    wrong = {
        "name: empty": not image.name,
        f"url: must end in {', '.join(_FORMATS)}": not image.url.endswith(_FORMATS),
        "released: not YYYY-MM-DD": not _DATE.fullmatch(image.released),
        "size: not a positive multiple of 512": image.size <= 0 or image.size % 512 != 0,
        "sha256: not 64 hex digits": not _DIGEST.fullmatch(image.sha256),
        "download_size: not positive": image.download_size <= 0,
        "download_sha256: not 64 hex digits": not _DIGEST.fullmatch(image.download_sha256),
        "devices: empty; the Imager would offer the image for no board": not image.devices,
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise ImageFactsError(f"{image.name}: {message}")
