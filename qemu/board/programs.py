"""Which QEMU runs the boards: a pinned one of the cache, or the system's own.

The pinned one brings every library it needs, its loader too, so it runs on any Linux of its
architecture and every machine tests with the same QEMU; nothing is installed.
"""

import platform
import shutil
from collections.abc import Sequence
from pathlib import Path

from qemu.board.errors import BootError
from qemu.board.lock import making
from qemu.board.packages import tree


class Programs:
    """Argument lists that start QEMU's programs. Any thread may call."""

    def __init__(self, unpacked: Path | None) -> None:
        """`unpacked`: where QEMU's packages lie unpacked; None: what PATH holds."""
        self._unpacked = unpacked

    def argv(self, program: str, arguments: Sequence[str]) -> list[str]:
        """How to run `program`; raises BootError when it is not here."""
        if self._unpacked is None:
            found = shutil.which(program)
            if found is None:
                raise BootError(
                    f"{program} is not here; run: sudo apt-get install qemu-system-arm qemu-utils"
                )
            return [found, *arguments]
        root = self._unpacked
        libraries = (
            *sorted((root / "lib").glob("*-linux-gnu")),
            *sorted((root / "usr/lib").glob("*-linux-gnu")),
        )
        loader = next(iter(sorted(libraries[0].glob("ld-linux*.so.*"))))
        data = ("-L", str(root / "usr/share/qemu")) if program.startswith("qemu-system") else ()
        paths = ":".join(map(str, libraries))
        binary = str(root / "usr/bin" / program)
        return [str(loader), "--library-path", paths, binary, *data, *arguments]


def pinned_programs(cache: Path) -> Programs:
    """The pinned QEMU where there is one for this processor, else the system's.

    Raises PackageError when it cannot be fetched.
    """
    if platform.machine() == "x86_64":
        with making(cache):
            return Programs(tree("qemu-amd64", cache))
    return Programs(None)
