"""SoftHSM, a PKCS#11 token in software: Debian's packages, unpacked and not installed.

They are pinned by `softhsm.lock`; `python -m tests.support.softhsm --refresh` writes it anew.
"""

import os
import subprocess
import sys
from pathlib import Path

from boards.debian import Pinned, Wanted
from tests.support.system import ROOT

CACHE = ROOT / ".cache/boards"
_SET = "softhsm-amd64"
_PINNED = Pinned(
    {
        _SET: Wanted(
            architecture="amd64",
            suites=("bookworm",),
            roots=("softhsm2",),
            keep=("softhsm2", "libsofthsm2"),
        )
    },
    Path(__file__).with_name("softhsm.lock"),
    "python -m tests.support.softhsm --refresh",
)
CONFIG = "SOFTHSM2_CONF"


class SoftHsm:
    """A token called `skerry` in a folder of its own.

    The library reads its settings when it is loaded, once in a process: who uses the token here
    must have `environment` set before.
    """

    def __init__(self, folder: Path) -> None:
        tree = _PINNED.tree(_SET, _PINNED.read_lock(), CACHE, print)
        self.module = tree / "usr/lib/softhsm/libsofthsm2.so"
        self._tool = tree / "usr/bin/softhsm2-util"
        self._folder = folder
        self.tokens = folder / "tokens"
        self.tokens.mkdir(parents=True)
        config = folder / "softhsm2.conf"
        config.write_text(f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\n")
        self.environment = {CONFIG: str(config)}
        self.pin_file = folder / "pin"
        self.pin_file.write_text("123456\n")
        self.pin_file.chmod(0o600)

    def make_token(self) -> None:
        self._util("--init-token", "--free", "--label", "skerry", "--so-pin", "654321")

    def address(self, label: str = "skerry", pin_file: Path | None = None) -> str:
        source = pin_file or self.pin_file
        return f"pkcs11:token={label}?module-path={self.module}&pin-source=file:{source}"

    def _util(self, *words: str) -> None:
        pin = self.pin_file.read_text().strip()
        subprocess.run(
            [self._tool, "--module", self.module, *words, "--pin", pin],
            env=os.environ | self.environment,
            check=True,
            capture_output=True,
        )


if __name__ == "__main__":
    if sys.argv[1:] != ["--refresh"]:
        sys.exit("python -m tests.support.softhsm --refresh")
    _PINNED.refresh_lock(CACHE.absolute(), print)
