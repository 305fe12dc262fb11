"""Our own code in an image, as bytecode: what the board runs when it is not compiled to C."""

import shutil
from pathlib import Path

OWN = ("edge", "hal")
"""Packages that a board runs; with `skerry.py`, the command line."""


def add_sources(project: Path, site: Path) -> None:
    """Copy the packages and the command line; they become bytecode with all else in `site`."""
    for name in OWN:
        shutil.copytree(
            project / name, site / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
    shutil.copyfile(project / "skerry.py", site / "skerry.py")
