"""`skerry flash` beside `dd`, in pairs: the same bytes into a file, flushed to the disk."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.processes import ROOT
from tests.bench.report import Figure, Report
from tests.support.card_image import card_image

PAIRS = 3
SIZE = 256 << 20
"""Bytes without a hole after the card's own partitions: `dd` has nothing to skip either."""
_CHUNK = 1 << 20


class Flash:
    """Writes, flushes, and in our case reads back and compares."""

    name = "flash"

    def run(self, report: Report) -> None:
        """Megabytes a second of both, and the ratio of each pair."""
        with tempfile.TemporaryDirectory(prefix="skerry-bench-") as place:
            folder = Path(place)
            image = card_image(folder / "card.img")
            with image.open("ab") as file:
                for _ in range(SIZE // _CHUNK):
                    file.write(os.urandom(_CHUNK))
            megabytes = image.stat().st_size / 1e6
            pairs = [_pair(image, folder) for _ in range(PAIRS)]
        ours = tuple(megabytes / flash for flash, _ in pairs)
        note = "written, flushed, read back and compared; the command's start included"
        report.add(Figure(self.name, "skerry flash", "MB/s", ours, "", note))
        dd = tuple(megabytes / plain for _, plain in pairs)
        report.add(Figure(self.name, "dd bs=4M conv=fsync", "MB/s", dd, "", "written, flushed"))
        ratio = tuple(plain / flash for flash, plain in pairs)
        report.add(Figure(self.name, "skerry flash / dd", "times", ratio))


def _pair(image: Path, folder: Path) -> tuple[float, float]:
    """Seconds of ours and of `dd`, each into a file of its own."""
    target = folder / "target"
    ours = _timed([sys.executable, ROOT / "skerry.py", "flash", image, target, "--yes"])
    target.unlink()
    dd = _timed(["dd", f"if={image}", f"of={target}", "bs=4M", "conv=fsync", "status=none"])
    target.unlink()
    return ours, dd


def _timed(argv: Sequence[str | Path]) -> float:
    words = [shutil.which(str(argv[0])) or str(argv[0]), *map(str, argv[1:])]
    began = time.monotonic()
    subprocess.run(words, check=True, capture_output=True, timeout=600)
    return time.monotonic() - began
