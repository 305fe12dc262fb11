"""`skerry package`: the agent for boards that run a Linux of their own."""

import sys
from argparse import Namespace
from pathlib import Path

from boards import provenance
from boards.package.build import build, file_name
from boards.package.wheel import build as build_wheel


def deb(args: Namespace) -> None:
    """Build the Debian package of the agent."""
    out: Path = args.output or Path(file_name())
    cache: Path = args.cache.absolute()
    cache.mkdir(parents=True, exist_ok=True)
    digest = build(out.absolute(), cache, _say, compiled=args.compiled)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, sha256:{digest}")
    print(f"{out.name}.cdx.json: what is in it; {out.name}.intoto.json: what it was built from")


def wheel(args: Namespace) -> None:
    """Build the wheel of the project."""
    made = build_wheel(args.output.absolute(), args.cache.absolute(), _say)
    print(f"{made}: {made.stat().st_size / 1e6:.1f} MB, sha256:{provenance.digest(made)}")
    print(f"{made.name}.cdx.json: what it needs; {made.name}.intoto.json: what it was built from")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
