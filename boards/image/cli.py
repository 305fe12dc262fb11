"""`skerry image`: build an image, refresh what it is pinned to."""

import sys
from argparse import Namespace
from pathlib import Path

from boards.image.build import build
from boards.packages import LOCK, read_lock, refresh_lock


def run(args: Namespace) -> None:
    """Build the image of a board."""
    out: Path = args.output
    cache = _cache(args)
    built = build(args.board, out.absolute(), cache, _say, compiled=args.compiled)
    print(f"{out}: {built.size >> 20} MiB, sha256:{built.sha256}")
    print(f"{built.provenance.name}: what it was built from; `skerry image sign` signs that")
    print(
        f"{built.sbom.name}: what is in it; slot {built.slot_size / 1e6:.1f} MB; {built.seconds:.1f} s"
    )


def lock(args: Namespace) -> None:
    """Show the pinned packages, or pin what the mirrors have now."""
    pins = refresh_lock(_cache(args), _say) if args.refresh else read_lock()
    for name, packages in pins.items():
        for pin in packages:
            print(f"{name:20} {pin.name:32} {pin.version}")
    if args.refresh:
        print(f"{LOCK} is written: build an image, boot it, commit it", file=sys.stderr)


def _cache(args: Namespace) -> Path:
    cache: Path = args.cache.absolute()
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
