"""Simulated microcontrollers behind `edge.update.ports.Microcontrollers`: plugged, pulled, cut.

What a chip makes of an image is said by the image's own bytes: `good 0.2.0`, `hangs 0.2.0`,
`other-board 0.2.0`. Uploads go on where they were cut.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import structs

from edge.update.ports import Ending, Phase, Result, Watcher
from edge.wire.firmware import Microcontroller

CHUNK = 4


class Chips:
    """Belongs to one event loop."""

    def __init__(self, *chips: Microcontroller) -> None:
        self._chips = {chip.name: chip for chip in chips}
        self._listeners: list[Callable[[], None]] = []
        self._received: dict[str, bytes] = {}
        self.sent = 0
        """Bytes of images that came in, again ones included."""
        self.trials = 0
        self.downgrades: list[bool] = []
        self.cut_after = -1
        """Bytes after which the cable is pulled, once."""
        self.pause_at = -1
        """Bytes after which uploads wait until they are cancelled."""

    def attached(self) -> Sequence[Microcontroller]:
        return list(self._chips.values())

    def subscribe(self, changed: Callable[[], None], /) -> None:
        self._listeners.append(changed)

    def plug(self, chip: Microcontroller) -> None:
        self._chips[chip.name] = chip
        for listener in self._listeners:
            listener()

    def pull(self, name: str) -> None:
        self.plug(structs.replace(self._chips[name], connected=False))

    async def install(
        self, name: str, image: Path, watcher: Watcher, *, downgrade: bool
    ) -> Result:
        data = image.read_bytes()  # noqa: ASYNC240 - a test
        self.downgrades.append(downgrade)
        what, version = data.decode().split()[:2]
        chip = self._chips[name]
        if what == "other-board":
            return Result(Ending.REFUSED, "WrongBoard", "board: the image is for pico")
        if chip.version == version and what == "good":
            return Result(Ending.CONFIRMED)
        done = self._received.get(name, b"")
        at = len(done) if data.startswith(done) else 0
        while at < len(data):
            await asyncio.sleep(0)
            if 0 <= self.pause_at <= at:
                await asyncio.Event().wait()
            if not self._chips[name].connected or self._pulled(at):
                return Result(Ending.LOST, "LinkLost", f"no answer at byte {at}")
            self.sent += len(data[at : at + CHUNK])
            at = min(at + CHUNK, len(data))
            self._received[name] = data[:at]
            watcher(Phase.UPLOAD, at, len(data))
        self.trials += 1
        watcher(Phase.TRIAL, 0, 1)
        self.pull(name)
        await asyncio.sleep(0)
        runs = version if what == "good" else chip.version
        self.plug(structs.replace(chip, version=runs))
        if what == "hangs":
            return Result(Ending.ROLLED_BACK, "", "it hung: the watchdog ended it")
        return Result(Ending.CONFIRMED)

    def _pulled(self, at: int) -> bool:
        if 0 <= self.cut_after <= at:
            self.cut_after = -1
            return True
        return False
