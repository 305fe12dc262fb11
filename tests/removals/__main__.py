"""`make removals`: takes each protection away, one at a time, and sees its test fail.

Each trial runs in a copy of the working tree. Exit code 1: a protection could be removed and
nobody noticed. `python -m tests.removals WORD…` runs the trials whose claim holds a word.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.removals.trials import Trial, all_trials, removed
from tests.support.system import ROOT

SECONDS = 300
FAILED = 1
"""pytest's exit code when tests ran and some failed; anything else is a trial that says nothing."""


def main() -> int:
    """Run the trials; how many protections nobody missed."""
    words = sys.argv[1:]
    trials = [each for each in all_trials() if not words or any(w in each.claim for w in words)]
    lost = 0
    with (
        tempfile.TemporaryDirectory(prefix="removals-") as place,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        faults = pool.map(lambda trial: _run(trial, Path(place)), trials)
        for trial, fault in zip(trials, faults, strict=True):
            print(f"{'NOT NOTICED' if fault else 'noticed':12} {trial.claim}{fault}", flush=True)
            lost += bool(fault)
    print(f"{len(trials) - lost} of {len(trials)} removals were noticed")
    return 1 if lost or not trials else 0


def _run(trial: Trial, place: Path) -> str:
    """Empty when the test failed as it must, else what happened."""
    with tempfile.TemporaryDirectory(dir=place) as name:
        copy = Path(name)
        for file in _tracked():
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, copy / file)
        (copy / ".cache").symlink_to(ROOT / ".cache")
        target = copy / trial.file
        target.write_text(removed(trial, target.read_text()))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", trial.test],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    if done.returncode == FAILED:
        return ""
    lines = "\n    ".join(done.stdout.splitlines()[-8:])
    return f"\n    pytest ended with {done.returncode}:\n    {lines}"


def _tracked() -> Iterator[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return (name for name in listed.stdout.split("\0") if (ROOT / name).is_file())


if __name__ == "__main__":
    sys.exit(main())
