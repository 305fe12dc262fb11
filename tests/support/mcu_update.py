"""The node's end of an emulated microcontroller that is updated: the real link, the real uploader."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from firmware.device.update import Update
from firmware.link import smp
from hal.link.image import Image
from hal.link.line import SerialLink
from hal.link.link import Happening, Identity, Link
from tests.support.boot_core import FLASH, SLOT_BYTES, Chip, Slots
from tests.support.far_device import SocketPort
from tests.support.mcu import FLASH_BYTES, SLOTS_AT, Mcu
from tests.support.pico import Pico

GROUP, STATE, CONFIG, PROPERTY = 64, 0, 2, 1
"""Of the device's own requests (firmware/device/app.py)."""
PATIENCE = 120.0


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


class Unjudged:
    """A link that hides what the node would judge an image by, so that the device has to."""

    name = "probe"

    def __init__(self, link: Link) -> None:
        self._link = link

    @property
    def identity(self) -> Identity | None:
        return self._link.identity

    def request(
        self,
        operation: int,
        group: int,
        command: int,
        content: Mapping[str, object],
        timeout: float = 60.0,
    ) -> dict[Any, Any]:
        answer = self._link.request(operation, group, command, content, timeout)
        answer.pop("board", None)
        listed: Any = answer.get("images", [])
        for one in listed:
            one.pop("version")
        return answer


@contextmanager
def node(chip: Mcu | Pico) -> Iterator[Node]:
    link = SerialLink("probe", lambda: SocketPort(chip.link.dup()))
    end = Node(link)
    link.start()
    try:
        assert end.met.acquire(timeout=PATIENCE)
        yield end
    finally:
        link.close()


def programmed(flash: Path, *images: Image) -> None:
    """Flash with images in its slots, as a programmer leaves it."""
    with flash.open("wb") as file:
        file.truncate(FLASH_BYTES)
        for slot, image in enumerate(images):
            file.seek(SLOTS_AT + slot * SLOT_BYTES)
            file.write(image.data.ljust(SLOT_BYTES, b"\xff"))


def uploaded(flash: Path, image: Image, *, leave: int, part: str = "mps2") -> None:
    """Have all but the last `leave` bytes uploaded, by the device's own code on this machine."""
    with flash.open("r+b") as file:
        before = file.read(FLASH)
        chip = Chip(before.ljust(FLASH, b"\xff"), part)
        device = Update(Slots(chip), part)
        take = device.requests[smp.WRITE, smp.GROUP_IMAGE, smp.IMAGE_UPLOAD]
        at, end = 0, len(image.data) - leave
        while at < end:
            begin = {"len": len(image.data), "sha": image.sha256} if at == 0 else {}
            at = take({"off": at, "data": image.data[at : min(at + SLOT_BYTES, end)]} | begin)[
                "off"
            ]
        file.seek(0)
        file.write(chip.flash[: len(before)])
