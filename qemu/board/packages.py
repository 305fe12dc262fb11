"""The Debian packages that boards are emulated with, pinned by `packages.lock`.

`python -m qemu.board.packages` fetches them, with `--refresh` it writes the lock anew.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from boards.debian import Lock, Pinned, Wanted
from boards.image.errors import PackageError as FetchError
from qemu.board.errors import PackageError

# Bookworm, not what is newest: it is stable, so a pin lasts, and its backports hold QEMU 10,
# the first whose raspi3b has I2C devices.
SETS = {
    "qemu-amd64": Wanted(
        architecture="amd64",
        suites=("bookworm", "bookworm-backports"),
        roots=("qemu-system-arm", "qemu-utils"),
    ),
    "tiny-arm64": Wanted(
        architecture="arm64",
        suites=("bookworm",),
        roots=("linux-image-arm64", "busybox-static"),
        keep=("linux-image-[0-9]*", "busybox-static"),
    ),
    "u-boot": Wanted(
        architecture="amd64",  # a package for all architectures
        suites=("bookworm",),
        roots=("u-boot-qemu",),
        keep=("u-boot-qemu",),
    ),
}
PINNED = Pinned(
    SETS,
    Path(__file__).with_name("packages.lock"),
    "python -m qemu.board.packages --refresh",
)


def tree(name: str, cache: Path, lock: Lock | None = None) -> Path:
    """A directory in `cache` with every package of the set unpacked; made once, shared by all.

    Raises PackageError when the set is unknown or a package is gone from the mirror.
    """
    try:
        return PINNED.tree(name, lock or PINNED.read_lock(), cache, _say)
    except FetchError as fault:
        raise PackageError(str(fault)) from fault


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch every set into the cache, or write the lock anew."""
    parser = argparse.ArgumentParser(
        prog="python -m qemu.board.packages", description=main.__doc__
    )
    parser.add_argument("--refresh", action="store_true", help="pin what the mirror has now")
    parser.add_argument("--cache", type=Path, default=Path(".cache/qemu"), metavar="DIR")
    chosen = parser.parse_args(arguments)
    cache: Path = chosen.cache.absolute()
    try:
        if chosen.refresh:
            PINNED.refresh_lock(cache, _say)
        for name in SETS:
            sys.stdout.write(f"{tree(name, cache)}\n")
    except (FetchError, PackageError) as fault:
        sys.stderr.write(f"packages: {fault}\n")
        return 1
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
