"""The Debian packages that images and firmware are made of, pinned by `lock/arm64.json`."""

from collections.abc import Mapping
from pathlib import Path

from boards.debian import Lock, Package, Pinned, Say, Wanted, sha256_of

__all__ = [
    "LOCK",
    "SETS",
    "Lock",
    "Package",
    "Say",
    "read_lock",
    "refresh_lock",
    "sha256_of",
    "tree",
    "unpacked",
]

LOCK = Path(__file__).parent / "lock" / "arm64.json"

# CPython is bookworm's because its 3.11 is what the wheels and the compiled agent are made for;
# the kernel is trixie's because boards newer than bookworm need it.
SETS: Mapping[str, Wanted] = {
    "system": Wanted(
        architecture="arm64",
        suites=("bookworm",),
        roots=("python3.11", "busybox-static", "e2fsprogs"),
    ),
    "headers": Wanted(
        architecture="arm64",
        suites=("bookworm",),
        roots=("libpython3.11-dev",),
        keep=("libpython3.11-dev",),
    ),
    "linux-image-arm64": Wanted(
        architecture="arm64",
        suites=("trixie",),
        roots=("linux-image-arm64",),
        keep=("linux-image-[0-9]*",),
    ),
    # Backports are replaced every few weeks: only a board that trixie's kernel cannot serve uses it.
    "linux-image-arm64-16k": Wanted(
        architecture="arm64",
        suites=("trixie", "trixie-backports"),
        roots=("linux-image-arm64-16k",),
        keep=("linux-base-[0-9]*", "linux-binary-[0-9]*", "linux-modules-[0-9]*"),
    ),
    "ssh": Wanted(architecture="arm64", suites=("bookworm",), roots=("dropbear-bin",)),
    "wifi": Wanted(
        architecture="arm64", suites=("bookworm",), roots=("wpasupplicant", "iw", "wireless-regdb")
    ),
    "firmware-brcm80211": Wanted(
        architecture="arm64",
        suites=("trixie",),
        roots=("firmware-brcm80211",),
        keep=("firmware-brcm80211",),
        components=("main", "non-free-firmware"),
    ),
    "raspi-firmware": Wanted(
        architecture="arm64",
        suites=("trixie",),
        roots=("raspi-firmware",),
        keep=("raspi-firmware",),
        components=("main", "non-free-firmware"),
    ),
    # Source, the same for every architecture: what firmware for the Raspberry Pi Pico is built from.
    "pico-source": Wanted(
        architecture="arm64",
        suites=("trixie",),
        roots=("pico-sdk-source", "tinyusb-source"),
        keep=("pico-sdk-source", "tinyusb-source"),
    ),
}

_PINNED = Pinned(SETS, LOCK, "skerry image lock --refresh")
read_lock = _PINNED.read_lock
refresh_lock = _PINNED.refresh_lock
tree = _PINNED.tree
unpacked = _PINNED.unpacked
