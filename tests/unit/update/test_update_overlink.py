"""Patches over a link, to the device's own code on the bootloader's own core."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from edge.update.overlink import LinkedMicrocontrollers
from edge.update.ports import Cargo, Ending, Held, Phase, Result
from edge.wire.firmware import FirmwareManifest
from firmware.device.patch import LIMIT
from hal.errors import BusTimeoutError
from hal.link import patch as patches
from hal.link.image import parse
from hal.link.link import Identity, Listener
from tests.support.chips import digest_of
from tests.support.updated_chip import OLD, Device, image

NEW = image("0.2.0", more=Random(1).randbytes(3000))
PATCH = patches.make(parse(OLD), parse(NEW))
MANIFEST = FirmwareManifest(
    name="valve", version="0.2.0", board="mps2", digest=digest_of(NEW), size=len(NEW)
)


class Wire(Device):
    """A link to it: whatever is asked, the device has four seconds of its own afterwards."""

    deaf = False

    @property
    def identity(self) -> Identity | None:  # type: ignore[override]
        return Identity("mps2", "1", self.runs)

    def subscribe(self, listener: Listener, /) -> None:
        """It never goes."""

    def post(self, *asked: Any) -> None:
        *what, done = asked
        done(self.request(*what))

    def request(self, *asked: Any, **how: Any) -> dict[Any, Any]:
        if self.deaf:
            raise BusTimeoutError("no answer")
        answer = super().request(*asked, **how)
        self.wait(4.0)
        return answer


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    return Wire(tmp_path)


def held(wire: Wire) -> Held | None:
    return asyncio.run(LinkedMicrocontrollers([wire]).held("probe"))


def installed(
    wire: Wire,
    patch: bytes | None,
    watcher: Callable[[Phase, int, int], None] = lambda *_: None,
    manifest: FirmwareManifest = MANIFEST,
) -> Result:
    path = None if patch is None else wire.folder / "fetched"
    if path is not None:
        path.write_bytes(patch or b"")
    cargo = Cargo(manifest, patch=path)
    chips = LinkedMicrocontrollers([wire])
    return asyncio.run(chips.install("probe", cargo, watcher, downgrade=False))


def test_what_it_has_is_told_and_a_patch_brings_what_was_signed(wire: Wire):
    runs = f"sha256:{parse(OLD).digest.hex()}"
    assert held(wire) == Held(runs, LIMIT, frozenset({digest_of(OLD)}))
    shares: list[float] = []

    def watcher(phase: Phase, done: int, total: int) -> None:
        if phase is Phase.UPLOAD:
            shares.append(done / total)

    result = installed(wire, PATCH.data, watcher)
    assert result == Result(Ending.CONFIRMED, sent=len(PATCH.data))
    assert shares == sorted(shares), "sending is the first half, applying the second"
    assert wire.runs == "0.2.0"
    found = held(wire)
    assert found is not None
    assert found.images == {digest_of(OLD), digest_of(NEW)}
    assert installed(wire, None) == Result(Ending.CONFIRMED), "nothing is needed for what runs"


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        (b"x" * 200, "patch: none of ours"),
        (None, "no slot holds it"),
        (patches.make(parse(image("0.1.5")), parse(NEW)).data, "another image than the one"),
        (patches.make(parse(OLD), parse(image("0.2.0"))).data, "it makes another image"),
    ],
    ids=["garbage", "none", "base", "result"],
)
def test_without_a_patch_that_serves_the_image_is_asked_for(wire: Wire, patch: bytes, why: str):
    result = installed(wire, patch)
    assert (result.ending, result.sent) == (Ending.UNPATCHED, 0)
    assert why in result.message
    assert wire.runs == "0.1.0"


def test_one_that_does_not_answer_says_nothing_of_what_it_has(wire: Wire):
    wire.deaf = True
    assert held(wire) is None


def test_a_version_that_bootloaders_do_not_know_is_left_to_the_device(wire: Wire):
    manifest = FirmwareManifest(
        name="valve", version="0.2.0-rc1", board="mps2", digest=digest_of(NEW), size=len(NEW)
    )
    assert installed(wire, PATCH.data, manifest=manifest).ending is Ending.CONFIRMED
