"""`skerry emulate` at a real terminal: a person sees the board, sets its sensor, and leaves."""

import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qemu.board import Programs
from tests.support.images import built_image
from tests.support.pi import SLOW
from tests.support.system import ROOT, skerry

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(1200)]
LEAVE = b"\x01x"


class Terminal:
    """The far end of the terminal that a verb runs in."""

    def __init__(self, *words: str) -> None:
        self._far, near = os.openpty()
        command = [sys.executable, str(ROOT / "skerry.py"), *words]
        self.process = subprocess.Popen(command, stdin=near, stdout=near, stderr=near, cwd=ROOT)
        os.close(near)
        self._seen = b""

    def type(self, keys: bytes) -> None:
        os.write(self._far, keys)

    def expect(self, text: bytes) -> None:
        """Take all up to `text`."""
        until = time.monotonic() + SLOW
        while text not in self._seen:
            ready, _, _ = select.select([self._far], [], [], max(until - time.monotonic(), 0))
            assert ready, f"no {text!r} in {self._seen[-2000:]!r}"
            self._seen += os.read(self._far, 4096)
        self._seen = self._seen.partition(text)[2]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._far)


def test_a_person_boots_a_card_feels_its_sensor_and_leaves(
    tmp_path: Path, board_programs: Programs
) -> None:
    image = tmp_path / "barn.img"
    shutil.copyfile(built_image("rpi3"), image)
    before = image.stat().st_mtime_ns
    terminal = Terminal("emulate", str(image), "--persist", "--forward", "0:22")
    try:
        terminal.expect(b"--forward: '0:22': ports are from 1 to 65535")
        assert terminal.process.wait(SLOW) == 1
    finally:
        terminal.close()
    terminal = Terminal("emulate", str(image), "--persist")
    try:
        terminal.expect(b"Raspberry Pi 3, Zero 2 W as QEMU's raspi3b; to leave: Ctrl-A, then X")
        terminal.expect(b"s after the kernel")
        skerry("emulate", str(image), "--celsius", "36.5")
        terminal.type(b"i2cget -y 1 0x48 0 w\n")
        terminal.expect(b"0x8024")
        again = skerry("emulate", str(image), check=False)
        assert "is running already" in again.stderr
        terminal.type(LEAVE)
        assert terminal.process.wait(SLOW) == 0
    finally:
        terminal.close()
    assert image.stat().st_mtime_ns == before
    late = skerry("emulate", str(image), "--celsius", "36.5", check=False)
    assert "is not running: skerry emulate" in late.stderr
    image.touch()
    changed = skerry("emulate", str(image), "--persist", check=False)
    assert "has changed since; to start anew, delete it" in changed.stderr
