"""How a demo speaks to a person: numbered steps, notes, and verbs shown with what they say."""

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.support.system import Cloud, skerry

_TERMINAL = sys.stdout.isatty()
BOLD, DIM, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if _TERMINAL else ("", "", "")
_steps = 0


def told(demo: Callable[[Path], None]) -> int:
    """Run a demo in a folder of its own, which goes with it; returns the process's exit status."""
    home = Path(tempfile.mkdtemp(prefix="skerry-demo-"))
    try:
        demo(home)
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return 0


def step(text: str) -> None:
    """Say what comes next."""
    global _steps  # noqa: PLW0603 - a demo is one run
    _steps += 1
    print(f"\n{BOLD}{_steps}. {text}{PLAIN}", flush=True)


def note(text: str) -> None:
    """Say what is seen."""
    print(f"  {text}", flush=True)


def show(*args: str, cloud: Cloud | None = None, keys: Path | None = None) -> None:
    """Run a verb as a person would, and show what it says."""
    note(f"{DIM}$ skerry {' '.join(args)}{PLAIN}")
    done = skerry(*args, cloud=cloud.url if cloud else None, keys=keys)
    show_lines(done.stdout + done.stderr)


def memory(pid: int) -> str:
    """What a process here takes."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return f"{pss / 1024:.1f} MB PSS"


def show_lines(text: str) -> None:
    """Show what somebody else said."""
    for line in text.splitlines():
        note(line)
