"""A chip with the firmware's part for updates, on the bootloader's own core; no machine."""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from boards import mcuboot
from firmware.device.patches import Patches
from firmware.device.update import Update
from firmware.link import smp
from hal.link.image import parse
from hal.link.link import Identity
from hal.link.upload import Result, update
from tests.support.boot_core import Cause, Chip, Slots


def image(version: str, board: str = "mps2", size: int = 30_000, more: bytes = b"") -> bytes:
    begin = struct.pack("<II", 0x20001000, 0x10009)
    program = begin + bytes(number * 11 & 255 for number in range(size - 8))
    program = program[: size // 2] + more + program[size // 2 :]
    return mcuboot.image(program, version=version, board=board, load_address=0x10000)


OLD, NEW = image("0.1.0"), image("0.2.0")


class PowerCutError(Exception):
    """Nothing goes on after it."""


class _Slots(Slots):
    """No program lives to see what a power cut did."""

    def __init__(self, chip: Chip, check_power: Callable[[], None]) -> None:
        super().__init__(chip)
        self._check_power = check_power

    def _check(self, fault: int) -> None:
        self._check_power()
        super()._check(fault)


class Device:
    """A chip with the firmware's part for updates; a `hal.link.link.Link` to it."""

    name = "probe"
    identity: Identity | None = None

    def __init__(self, folder: Path, flash: bytes | None = None) -> None:
        self.chip = Chip(flash)
        if flash is None:
            self.chip.put(0, OLD)
        self.folder = folder
        self.now = 0
        self.linked = self.configured = True
        self.readable = ["air"]
        self.properties = ["air"]
        self.meanwhile: Callable[[], None] = lambda: None
        self.last_write: int | None = None
        self.steps = 20
        """Of a patch, in a fifth of a second."""
        self.start(Cause.POWER)

    def check_power(self) -> None:
        if self.last_write is not None and self.chip.writes >= self.last_write:
            raise PowerCutError

    def start(self, cause: Cause) -> None:
        boot = self.chip.start(cause)
        self.check_power()
        assert boot.slot >= 0
        slots = _Slots(self.chip, self.check_power)
        self.update = Update(slots, "mps2", str(self.folder / "readable.cbor"))
        self.patches = Patches(self.update, slots, str(self.folder / "patch"))
        self.update.readable = lambda: self.readable
        assert self.update.running == boot.slot

    def request(
        self,
        operation: int,
        group: int,
        command: int,
        content: Mapping[str, Any],
        timeout: float = 5.0,  # noqa: ARG002 - it answers at once
    ) -> dict[Any, Any]:
        self.check_power()
        self.meanwhile()
        if (group, command) == (smp.GROUP_OS, smp.OS_RESET):
            self.start(Cause.RESET)
            return {}
        try:
            return self.update.requests[operation, group, command](content)
        except ValueError as error:
            return {"rc": smp.INVALID, "rsn": str(error.args[0])}

    def wait(self, seconds: float) -> None:
        """The device's own loop, meanwhile."""
        for _ in range(5):
            self.now += int(seconds * 200)
            for _ in range(self.steps):
                self.patches.step()
                self.check_power()
            looks = self.now, self.linked, self.configured, self.readable, self.properties
            if self.update.judge(*looks):
                self.start(Cause.RESET)

    def updated(self, data: bytes = NEW, **how: Any) -> Result:
        return update(self, parse(data), wait=self.wait, **how)

    @property
    def runs(self) -> str:
        return self.update.version
