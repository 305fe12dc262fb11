"""`skerry app new` and `skerry app build`."""

import argparse
import sys
from pathlib import Path

from wasm_apps.tool import compiler, project


def new(args: argparse.Namespace) -> None:
    """Make a project; its name is the folder's."""
    directory: Path = args.directory
    made = project.new(directory.resolve().name, project.Language(args.lang), directory)
    for path in made:
        print(f"  {path}")
    print(f"Next: skerry app build {directory} && skerry app test {directory}")


def build(args: argparse.Namespace) -> None:
    """Build a project and say how large the app is."""
    module = compiler.build(args.directory, say, args.find_runtime)
    shown = (
        module
        if args.directory.is_absolute()
        else args.directory / module.relative_to(args.directory.resolve())
    )
    print(f"{shown}  {module.stat().st_size} bytes")


def say(text: str) -> None:
    """Tell the person who builds."""
    print(text, file=sys.stderr, flush=True)
