"""Simulated microcontrollers behind `edge.update.ports.Microcontrollers`: plugged, pulled, cut.

What a chip makes of an image is said by the image's own bytes: `good 0.2.0`, `hangs 0.2.0`,
`other-board 0.2.0`. Uploads go on where they were cut. A patch is made by `patch_of`, and makes what it
says; a chip applies one that is of what it runs.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from edge.update.ports import Cargo, Ending, Held, Phase, Result, Watcher
from edge.wire.firmware import Microcontroller

CHUNK = 4


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def patch_of(base: bytes, makes: bytes, *, damaged: bool = False) -> bytes:
    """From one image to another."""
    said = {"base": digest_of(base), "makes": makes.decode(), "damaged": damaged}
    return json.dumps(said).encode()


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
        self.flash: dict[str, list[bytes]] = {}
        """Of each chip the image that runs, and what lies in its other slot."""
        self.patch_limit = 4096
        self.mute = False
        """They do not say what they have."""

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

    async def held(self, name: str) -> Held | None:
        if self.mute or not self._chips[name].connected:
            return None
        images = list(map(digest_of, self._slots(name)))
        return Held(images[0], self.patch_limit, frozenset(images))

    async def install(
        self, name: str, cargo: Cargo, watcher: Watcher, *, downgrade: bool
    ) -> Result:
        self.downgrades.append(downgrade)
        before = self.sent
        result = await self._install(name, cargo, watcher)
        return replace(result, sent=self.sent - before)

    async def _install(self, name: str, cargo: Cargo, watcher: Watcher) -> Result:
        there = [each for each in self._slots(name) if digest_of(each) == cargo.manifest.digest]
        if cargo.image is not None:
            return await self._run(name, _read(cargo.image), watcher, there=bool(there))
        if there:
            return await self._run(name, there[0], watcher, there=True)
        if cargo.patch is None:
            return Result(Ending.UNPATCHED, "", "no slot holds it")
        return await self._apply(name, cargo, _read(cargo.patch), watcher)

    async def _apply(self, name: str, cargo: Cargo, patch: bytes, watcher: Watcher) -> Result:
        said = json.loads(patch)
        why = ""
        if said["base"] != digest_of(self._slots(name)[0]):
            why = "it is of another image than the one that runs"
        elif lost := await self._send(name, patch, watcher):
            return lost
        made = said["makes"].encode()
        if said["damaged"] or digest_of(made) != cargo.manifest.digest:
            why = why or "image: its SHA-256 is wrong"
        if why:
            return Result(Ending.UNPATCHED, "", why)
        return await self._run(name, made, watcher, there=True)

    async def _run(self, name: str, data: bytes, watcher: Watcher, *, there: bool) -> Result:
        """Send an image that is not there, and try it."""
        what, version = data.decode().split()[:2]
        chip = self._chips[name]
        if what == "other-board":
            return Result(Ending.REFUSED, "WrongBoard", "board: the image is for pico")
        if chip.version == version and what == "good":
            return Result(Ending.CONFIRMED)
        if not there and (lost := await self._send(name, data, watcher)):
            return lost
        self.trials += 1
        watcher(Phase.TRIAL, 0, 1)
        self.pull(name)
        await asyncio.sleep(0)
        before, good = self._slots(name)[0], what == "good"
        self.flash[name] = [data, before] if good else [before, data]
        self.plug(structs.replace(chip, version=version if good else chip.version))
        if what == "hangs":
            return Result(Ending.ROLLED_BACK, "", "it hung: the watchdog ended it")
        return Result(Ending.CONFIRMED)

    def _slots(self, name: str) -> list[bytes]:
        return self.flash.get(name, [f"good {self._chips[name].version}".encode()])

    async def _send(self, name: str, data: bytes, watcher: Watcher) -> Result | None:
        """Nothing when it arrived."""
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
        return None

    def _pulled(self, at: int) -> bool:
        if 0 <= self.cut_after <= at:
            self.cut_after = -1
            return True
        return False


def _read(path: Path) -> bytes:
    return path.read_bytes()
