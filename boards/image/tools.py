"""Programs of the building machine: found, installed when that is allowed, run, and blamed."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from boards.image.errors import ToolError
from boards.packages import Say

PACKAGES: Mapping[str, str] = {
    "mksquashfs": "squashfs-tools",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
    "dpkg-deb": "dpkg",
}
"""What building an image runs, and the Debian package that holds it."""
COMPILER: Mapping[str, str] = {
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
    "aarch64-linux-gnu-ld": "binutils-aarch64-linux-gnu",
    "/usr/aarch64-linux-gnu/include/stdio.h": "libc6-dev-arm64-cross",
}
"""The cross compiler, and the C library's headers, which it only recommends."""
SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
"""Where they are looked for: a person's PATH often lacks the directories for root's programs."""
TIMEOUT = 1800
"""Seconds for one program; the slowest, the compiler on two slow cores, takes a tenth."""


def need(programs: Mapping[str, str], say: Say) -> None:
    """Have every program, or file with a path; root gets what is missing, others the command that installs it."""
    missing = sorted({package for name, package in programs.items() if not _found(name)})
    if not missing:
        return
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    if os.geteuid() != 0:
        raise ToolError(f"needed to build an image: sudo {' '.join(command)}")
    say(f"tools: installing {' '.join(missing)}")
    run(["apt-get", "update", "-q"])
    run(command, extra={"DEBIAN_FRONTEND": "noninteractive"})


def run(
    arguments: Sequence[str | Path],
    *,
    extra: Mapping[str, str] | None = None,
    at: Path | None = None,
) -> str:
    """What a program printed; raises ToolError with its last words when it fails."""
    words = [str(word) for word in arguments]
    try:
        done = subprocess.run(  # noqa: S603 - argv of our own making, no shell
            words,
            env={**os.environ, "PATH": SEARCH, "LC_ALL": "C", "TZ": "UTC", **(extra or {})},
            cwd=at,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            check=False,
            timeout=TIMEOUT,
        )
    except FileNotFoundError as fault:
        raise ToolError(f"{words[0]} is not here") from fault
    except subprocess.TimeoutExpired as fault:
        raise ToolError(f"{words[0]} took over {TIMEOUT} s") from fault
    if done.returncode:
        raise ToolError(f"{words[0]} failed: {' '.join(done.stdout.strip().splitlines()[-5:])}")
    return done.stdout


def _found(program: str) -> bool:
    if program.startswith("/"):
        return Path(program).exists()
    return shutil.which(program, path=SEARCH) is not None
