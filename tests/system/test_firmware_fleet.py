"""Firmware from the cloud: real cloud, real agents, emulated microcontrollers at serial ports."""

import json
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from boards.firmware import IMAGE, LOAD_ADDRESSES, firmware, wrapped
from hal.link.image import parse
from qemu.board import Programs
from tests.support.cable import Cable
from tests.support.mcu import CACHE, mcu
from tests.support.system import Agent, Cloud, skerry, skerry_json, until

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE = 240.0
"""Seconds for an update: an upload, three tries of a bad image, on a busy machine."""


def good(version: str) -> bytes:
    """What is built, under another version."""
    shipped = firmware("mps2", CACHE, print).parent / IMAGE
    return wrapped("mps2", parse(shipped.read_bytes()).program, version)


def hanging(version: str) -> bytes:
    """Its first instruction never ends."""
    program = struct.pack("<II4H", 0x20010000, LOAD_ADDRESSES["mps2"] + 9, *[0xE7FE] * 4)
    return wrapped("mps2", program, version)


@dataclass
class Farm:
    """A person's keys, a cloud, and a node with a microcontroller at `cable`."""

    keys: Path
    cloud: Cloud
    cable: Cable
    folder: Path
    barn: Agent
    flash: Path
    programs: Programs

    def image(self, data: bytes) -> Path:
        path = self.folder / "image.bin"
        path.write_bytes(data)
        return path

    def deploy(self, image: Path, *options: str, check: bool = True) -> str:
        """What `deploy --wait` prints on standard error."""
        done = skerry(
            *("firmware", "deploy", str(image), "--name", "valve", "-l", "site=barn"),
            *("--wait", "--timeout", str(PATIENCE), *options),
            cloud=self.cloud.url,
            keys=self.keys,
            check=check,
        )
        assert (done.returncode == 0) is check, done.stderr
        return done.stderr

    def instance(self) -> dict[str, Any]:
        found: dict[str, Any] = skerry_json(
            "get", "firmwareinstance", "valve.barn", cloud=self.cloud.url
        )
        return found

    def until_status(self, holds: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            status: dict[str, Any] = self.instance()["status"]
            return status if holds(status) else None

        return until(found, what, PATIENCE)

    def chip(self) -> dict[str, Any]:
        """The microcontroller as the Node says."""
        node = skerry_json("get", "node", "barn", cloud=self.cloud.url)
        (chip,) = node["status"]["microcontrollers"]
        return chip

    def until_chip(self, version: str) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            chip = self.chip()
            return chip if chip["connected"] and chip["version"] == version else None

        return until(found, f"it runs {version}", PATIENCE)


@pytest.fixture
def farm(tmp_path: Path, board_programs: Programs) -> Iterator[Farm]:
    keys = tmp_path / "keys"
    skerry("keys", "init", "--keys", str(keys))
    flash = tmp_path / "flash"
    board = tmp_path / "board.toml"
    cable = Cable(tmp_path / "port")
    board.write_text(f'name = "sim"\n[mcu.probe]\ndevice = "{cable.port}"\n')
    with ExitStack() as stack:
        cloud = stack.enter_context(Cloud(tmp_path / "cloud"))
        chip = stack.enter_context(mcu(board_programs, flash))
        stack.enter_context(cable)
        cable.plug(chip.link)
        barn = stack.enter_context(agent(cloud, tmp_path / "barn", board, keys))
        yield Farm(keys, cloud, cable, tmp_path, barn, flash, board_programs)


def agent(cloud: Cloud, state: Path, board: Path, keys: Path) -> Agent:
    trust = ("--trust-root", str(keys / "root.cose"))
    return Agent("barn", cloud.url, state, board=board, labels=["site=barn"], trust=trust)


def test_a_signed_image_is_rolled_out_tried_and_seen_in_the_cloud(farm: Farm):
    first = farm.until_chip("0.1.0")
    assert (first["name"], first["board"]) == ("probe", "mps2")
    said = farm.deploy(farm.image(good("0.2.0")))
    assert "1/1 updated, 1 running, 1 ready, 100 % sent" in said
    status = farm.instance()["status"]
    assert (status["state"], status["version"], status["microcontroller"]) == (
        *("Running", "0.2.0"),
        "probe",
    )
    chip = farm.until_chip("0.2.0")
    assert (chip["slot"], chip["lastRollback"]) == ("1", "")
    described = skerry("describe", "node", "barn", cloud=farm.cloud.url).stdout
    assert "valve.barn" in described
    assert "0.2.0" in described
    assert json.dumps(farm.instance()["spec"]["desired"])
