"""`skerry firmware update` at a pseudo-terminal, with the device's own code behind it."""

import os
import select
import struct
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from boards import mcuboot
from firmware.device.update import Update
from firmware.link import smp
from tests.support.boot_core import Cause, Chip, Slots
from tests.support.far_device import FarDevice
from tests.support.system import skerry


def image(version: str, board: str = "mps2") -> bytes:
    program = struct.pack("<II", 0x20001000, 0x10009) + bytes(5000)
    return mcuboot.image(program, version=version, board=board, load_address=0x10000)


class Desk:
    """A microcontroller on a terminal; its loop looks at the image whenever it is asked something."""

    def __init__(self, folder: Path) -> None:
        self.chip = Chip()
        self.chip.put(0, image("0.1.0"))
        self.fit = True
        self._file = str(folder / "readable.cbor")
        self._now = 0
        self._start(Cause.POWER)

    def _start(self, cause: Cause) -> None:
        self.chip.start(cause)
        self.update = Update(Slots(self.chip), "mps2", self._file)

    def answer(
        self, operation: int, group: int, command: int, content: dict[str, Any]
    ) -> dict[str, Any] | None:
        self._now += 4000
        if self.update.judge(self._now, True, self.fit, [], []):
            self._start(Cause.RESET)
        if (group, command) == (smp.GROUP_OS, smp.OS_RESET):
            self._start(Cause.RESET)
            return {}
        does = self.update.requests.get((operation, group, command))
        if does is None:
            return {"rc": smp.UNSUPPORTED}
        try:
            return does(content)
        except ValueError as error:
            return {"rc": error.args[1], "rsn": error.args[0]}


@contextmanager
def plugged(desk: Desk) -> Iterator[str]:
    """The terminal's name."""
    near, far = os.openpty()
    tty.setraw(near)
    with FarDevice(desk.answer) as device:
        end = device.port()
        closing = threading.Event()

        def pump() -> None:
            while not closing.is_set():
                ready = select.select([near, end], [], [], 0.02)[0]
                try:
                    if near in ready:
                        end.write(os.read(near, 4096), 0)
                    if end in ready:
                        os.write(near, end.read(4096))
                except OSError:
                    return

        thread = threading.Thread(target=pump)
        thread.start()
        yield os.ttyname(far)
        closing.set()
        thread.join()
        end.close()
    os.close(near)
    os.close(far)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def updated(desk: Desk, folder: Path, data: bytes, *more: str) -> tuple[int, str]:
    file = folder / "image.bin"
    file.write_bytes(data)
    with plugged(desk) as port:
        done = skerry("firmware", "update", str(file), "--port", port, *more, check=False)
    return done.returncode, (done.stdout + done.stderr).replace(port, "PORT")


def test_an_image_is_sent_and_waited_for(desk: Desk, tmp_path: Path):
    data = image("0.2.0")
    code, said = updated(desk, tmp_path, data)
    assert (code, said) == (0, f"PORT: runs 0.2.0, confirmed; {len(data)} bytes sent\n")
    assert desk.update.version == "0.2.0"


def test_what_becomes_of_it_otherwise_is_told_with_the_reason(desk: Desk, tmp_path: Path):
    code, said = updated(desk, tmp_path, image("0.0.9"))
    assert code == 1
    assert "PORT: refused: version: 0.0.9 is older than 0.1.0" in said
    code, said = updated(desk, tmp_path, image("0.2.0", board="pico"))
    assert code == 1
    assert "refused: board: the image is for pico, this is mps2; nothing was changed" in said
    desk.fit = False
    code, said = updated(desk, tmp_path, image("0.2.0"))
    assert code == 1
    assert "rolled back: it could not use its configuration; it runs what it ran before" in said
    desk.fit = True
    assert updated(desk, tmp_path, image("0.0.9"), "--downgrade")[0] == 0


def test_bad_input_is_told_at_once(tmp_path: Path):
    file = tmp_path / "image.bin"
    file.write_bytes(b"\x7fELF" + bytes(100))
    done = skerry("firmware", "update", str(file), "--port", "/nowhere", check=False)
    assert done.returncode == 1
    assert f"{file}: image: no MCUboot header at its begin" in done.stderr
    file.write_bytes(image("0.2.0"))
    done = skerry("firmware", "update", str(file), "--port", "/nowhere", check=False)
    assert done.returncode == 1
    assert "/nowhere: nothing is plugged in there" in done.stderr
    done = skerry("firmware", "update", str(file), "--port", "/dev/null", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("skerry: /dev/null: ")
