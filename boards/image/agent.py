"""Our own code in an image, as bytecode: what the board runs when it is not compiled to C."""

import shutil
from pathlib import Path

OWN = ("edge", "hal", "firmware")
"""Packages that a board runs; with `skerry.py`, the command line."""
DESK = ("apptest.py", "hollow.py", "hollownode.py", "hollowtally.py", "scenario.py")
"""Modules behind verbs of a developer's desk: testing apps, loading a cloud."""
_FIRMWARE = {
    "firmware": ("boot", "drivers", "ports", "manifest.py"),
    "device": ("app.py", "bus.py", "log.py", "properties.py", "start.py", "update.py"),
}
"""By folder of firmware: what only a microcontroller runs. A node speaks the link."""


def without_desk(folder: str, names: list[str]) -> set[str]:
    """Which of `names` stay out of a copy, as `shutil.copytree` asks."""
    out = {*DESK, "__pycache__", *_FIRMWARE.get(Path(folder).name, ())}
    return {name for name in names if name in out or name.endswith(".pyc")}


def add_sources(project: Path, site: Path) -> None:
    """Copy the packages and the command line; they become bytecode with all else in `site`."""
    for name in OWN:
        shutil.copytree(project / name, site / name, ignore=without_desk)
    shutil.copyfile(project / "skerry.py", site / "skerry.py")
