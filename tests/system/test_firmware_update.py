"""Updates of the emulated microcontroller over its link: kept, refused, rolled back, resumed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from firmware.link import smp
from hal.link.line import SerialLink
from hal.link.link import Happening
from hal.link.upload import Outcome, Phase, Result, update
from qemu.board import Programs
from tests.support import mcu_images as images
from tests.support.far_device import SocketPort
from tests.support.mcu import Mcu, mcu
from tests.support.system import until

GROUP, STATE = 64, 0
"""Of the device's own requests (firmware/device/app.py)."""

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def flash(tmp_path: Path) -> Path:
    return tmp_path / "flash"


class Node:
    """The node's end, as the agent has it."""

    def __init__(self, link: SerialLink) -> None:
        self.link = link
        self.met = threading.Semaphore(0)
        link.subscribe(self)

    def happened(self, what: Happening) -> None:
        if what is Happening.UP:
            self.met.release()

    def reported(self, report: Any) -> None:
        pass

    def ask(self, operation: int, group: int, command: int, **content: Any) -> dict[Any, Any]:
        return self.link.request(operation, group, command, content, 60.0)

    def images(self) -> dict[Any, Any]:
        return self.ask(smp.READ, smp.GROUP_IMAGE, smp.IMAGE_STATE)

    def firmware(self) -> dict[str, Any]:
        told: dict[str, Any] = self.ask(smp.READ, GROUP, STATE)["fw"]
        return told


@contextmanager
def node(chip: Mcu) -> Iterator[Node]:
    link = SerialLink("probe", lambda: SocketPort(chip.link.dup()))
    end = Node(link)
    link.start()
    try:
        assert end.met.acquire(timeout=60)
        yield end
    finally:
        link.close()


def test_an_update_is_sent_tried_and_kept(board_programs: Programs, flash: Path) -> None:
    image = images.good("0.2.0")
    seen: list[tuple[Phase, int, int]] = []
    with mcu(board_programs, flash) as chip, node(chip) as end:
        identity = end.link.identity
        assert identity is not None
        assert identity.firmware == "0.1.0"
        assert end.firmware() == {"slot": 0, "version": "0.1.0", "trial": False}
        result = update(end.link, image, lambda *step: seen.append(step))
        assert result == Result(Outcome.UPDATED, sent=len(image.data))
        assert end.firmware() == {"slot": 1, "version": "0.2.0", "trial": False}
        found = end.images()["images"]
        assert [(one["version"], one["active"], one["confirmed"]) for one in found] == [
            ("0.1.0", False, False),
            ("0.2.0", True, True),
        ]
        until(lambda: end.link.identity is not None, "it is there")
        assert end.link.identity is not None
        assert end.link.identity.firmware == "0.2.0"
    assert (Phase.UPLOAD, len(image.data), len(image.data)) in seen
    with mcu(board_programs, flash) as chip, node(chip) as end:
        assert end.firmware()["version"] == "0.2.0", "it outlives a power cut"
