"""Processes whose clock is days ahead: libfaketime from Debian, unpacked and not installed.

It is pinned by `clocks.lock`; `python -m tests.support.clocks --refresh` writes it anew.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from boards.debian import Pinned, Wanted
from tests.support.system import ROOT

CACHE = ROOT / ".cache/boards"
_SET = "faketime-amd64"
_PINNED = Pinned(
    {
        _SET: Wanted(
            architecture="amd64",
            suites=("bookworm",),
            roots=("libfaketime",),
            keep=("libfaketime",),
        )
    },
    Path(__file__).with_name("clocks.lock"),
    "python -m tests.support.clocks --refresh",
)


def days_ahead(days: int) -> Mapping[str, str]:
    """The environment of such a process; durations and deadlines stay true in it."""
    tree = _PINNED.tree(_SET, _PINNED.read_lock(), CACHE, print)
    (library,) = tree.rglob("libfaketime.so.1")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"+{days}d",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


if __name__ == "__main__":
    if sys.argv[1:] != ["--refresh"]:
        sys.exit("python -m tests.support.clocks --refresh")
    _PINNED.refresh_lock(CACHE.absolute(), print)
