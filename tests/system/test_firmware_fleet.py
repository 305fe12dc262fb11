"""Firmware from the cloud: real cloud, real agents, emulated microcontrollers at serial ports."""

import socket
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from boards import mcuboot
from boards.firmware import IMAGE, firmware, wrapped
from cloud.client.api import Client
from cloud.client.firmware import load
from cloud.client.registry import Reference, firmware_artifact, push
from cloud.client.signing import firmware_statement, sign
from hal.link.image import parse
from qemu.board import Programs
from tests.support import mcu_images as images
from tests.support.cable import Cable
from tests.support.mcu import CACHE, console_drained, mcu
from tests.support.system import Agent, Cloud, objects, skerry, skerry_json, until

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(1800)]

PATIENCE = 480.0
"""Seconds for an update: an upload, three tries of a bad image, on a busy machine."""


@cache
def program() -> bytes:
    """What is built; a build of somebody else's is waited for once."""
    shipped = firmware("mps2", CACHE, print).parent / IMAGE
    return parse(shipped.read_bytes()).program


def good(version: str) -> bytes:
    """What is built, under another version."""
    return wrapped("mps2", program(), version)


def for_board(board: str) -> bytes:
    """A program that nobody shall ever run."""
    return mcuboot.image(b"code" * 8, version="0.4.0", board=board, load_address=0)


def damaged(version: str) -> bytes:
    """One bit of its program is another than its own digest says."""
    data = bytearray(good(version))
    data[1000] ^= 1
    return bytes(data)


def hanging(version: str) -> bytes:
    """Its first instruction never ends."""
    return images.hanging(version).data


def crashing(version: str) -> bytes:
    """Its first instruction is none."""
    return images.crashing(version).data


def changed(version: str) -> bytes:
    """What is built, with some thousand bytes that nobody could guess."""
    return images.changed(version).data


@dataclass
class Farm:
    """A person's keys, a cloud, and a node with a microcontroller at `cable`."""

    keys: Path
    cloud: Cloud
    cable: Cable
    folder: Path
    barn: Agent
    board: Path
    far: socket.socket
    """What the cable leads to."""

    def has(self, digest: str) -> bool:
        """Whether the node's agent has fetched these bytes."""
        return (self.barn.state / "modules" / digest.replace(":", "-")).exists()

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

    def refused(self, image: Path, *options: str) -> str:
        """What is said of a firmware that does not reach the microcontroller."""
        said = self.deploy(image, *options, check=False)
        assert "FailureThresholdReached" in said
        self.runs("0.2.0")
        return said

    def runs(self, version: str) -> None:
        self.until_status(
            lambda status: (status["state"], status["version"]) == ("Running", version),
            f"valve.barn runs {version}",
        )
        self.until_chip(version)

    def instance(self) -> dict[str, Any]:
        found: dict[str, Any] = skerry_json(
            "get", "firmwareinstance", "valve.barn", cloud=self.cloud.url
        )
        return found

    def until_status(self, holds: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            for each in objects(self.cloud, "firmwareinstances"):
                status: dict[str, Any] = each["status"]
                if holds(status):
                    return status
            return None

        return until(found, what, PATIENCE)

    def replug(self) -> None:
        self.cable.plug(self.far)

    def chip(self) -> dict[str, Any]:
        """The microcontroller as the Node says; nothing while it has not said so."""
        nodes = objects(self.cloud, "nodes")
        chips = [chip for node in nodes for chip in node["status"]["microcontrollers"]]
        return chips[0] if chips else {"connected": False, "version": "", "lastRollback": ""}

    def until_chip(self, version: str) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            chip = self.chip()
            return chip if chip["connected"] and chip["version"] == version else None

        return until(found, f"it runs {version}", PATIENCE)


@contextmanager
def farm_at(folder: Path, programs: Programs) -> Iterator[Farm]:
    keys, board = folder / "keys", folder / "board.toml"
    skerry("keys", "init", "--keys", str(keys))
    cable = Cable(folder / "port")
    board.write_text(f'name = "sim"\n[mcu.probe]\ndevice = "{cable.port}"\n')
    with ExitStack() as stack:
        cloud = stack.enter_context(Cloud(folder / "cloud"))
        chip = stack.enter_context(mcu(programs, folder / "flash"))
        stack.enter_context(console_drained(chip.socket))
        stack.enter_context(cable)
        cable.plug(chip.link)
        barn = stack.enter_context(agent(cloud, folder / "barn", board, keys))
        made = Farm(keys, cloud, cable, folder, barn, board, chip.link)
        made.until_chip("0.1.0")
        yield made
        made.barn.terminate()


def agent(cloud: Cloud, state: Path, board: Path, keys: Path) -> Agent:
    trust = ("--trust-root", str(keys / "root.cose"))
    return Agent("barn", cloud.url, state, board=board, labels=["site=barn"], trust=trust)


@pytest.fixture
def fresh(tmp_path: Path, board_programs: Programs) -> Iterator[Farm]:
    """With the firmware that it left the desk with."""
    with farm_at(tmp_path, board_programs) as made:
        yield made


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory, board_programs: Programs) -> Iterator[Farm]:
    """With 0.2.0 from the cloud; each test leaves it so."""
    with farm_at(tmp_path_factory.mktemp("farm"), board_programs) as made:
        said = made.deploy(made.image(good("0.2.0")))
        assert "1/1 updated, 1 running, 1 ready, 100 % sent" in said
        yield made


# These two have a farm of their own: first, so that only one is emulated at a time.


def test_an_agent_that_loses_power_during_an_upload_goes_on_where_it_was(fresh: Farm):
    path = fresh.image(good("0.2.0"))
    skerry(
        *("firmware", "deploy", str(path), "--name", "valve"),
        cloud=fresh.cloud.url,
        keys=fresh.keys,
    )
    fresh.until_status(lambda status: status["progress"] >= 30, "a third is there")
    fresh.barn.kill()
    fresh.barn = agent(fresh.cloud, fresh.barn.state, fresh.board, fresh.keys)
    fresh.runs("0.2.0")
    resumed = fresh.barn.wait_for_line(r"probe: the upload went on at byte (\d+)")[1]
    assert int(resumed) > path.stat().st_size // 5
    assert fresh.instance()["status"]["attempts"] == 0


def test_one_that_is_unplugged_is_waited_for_and_not_held_against_the_rollout(fresh: Farm):
    path = fresh.image(good("0.2.0"))
    options = ("firmware", "deploy", str(path), "--name", "valve")
    skerry(*options, cloud=fresh.cloud.url, keys=fresh.keys)
    fresh.until_status(lambda status: status["progress"] >= 20, "the upload has begun")
    fresh.cable.pull()
    status = fresh.until_status(
        lambda status: status["state"] == "Waiting", "the node waits for it"
    )
    assert status["reason"] == "NotAttached"
    assert "probe (mps2, not connected)" in status["message"]
    firmware = skerry_json("get", "firmware", "valve", cloud=fresh.cloud.url)
    assert firmware["status"]["failed"] == 0
    fresh.replug()
    fresh.runs("0.2.0")


def test_a_signed_image_is_rolled_out_tried_and_seen_in_the_cloud(farm: Farm):
    status = farm.instance()["status"]
    assert (status["state"], status["version"], status["microcontroller"]) == (
        *("Running", "0.2.0"),
        "probe",
    )
    chip = farm.until_chip("0.2.0")
    assert (chip["board"], chip["slot"], chip["lastRollback"]) == ("mps2", "1", "")
    described = skerry("describe", "node", "barn", cloud=farm.cloud.url).stdout
    assert "valve.barn" in described
    assert "lastRollback" in described
    assert "valve   1/1" in skerry("get", "firmware", cloud=farm.cloud.url).stdout


@pytest.mark.parametrize(
    ("made", "version", "reason"),
    [
        (hanging, "0.3.0", "it hung: the watchdog ended it"),
        (crashing, "0.3.1", "it crashed"),
    ],
    ids=["hangs", "crashes"],
)
def test_an_image_that_does_not_live_is_rolled_back_with_the_reason_and_not_tried_again(
    farm: Farm, made: Callable[[str], bytes], version: str, reason: str
):
    said = farm.refused(farm.image(made(version)))
    assert f"barn: RolledBack: {reason}" in said
    assert farm.instance()["spec"]["failed"]["reason"] == "RolledBack"
    told = f"{version}: {reason}"
    until(lambda: farm.chip()["lastRollback"] == told, f"the node says {told}", PATIENCE)
    assert reason in skerry("describe", "firmware", "valve", cloud=farm.cloud.url).stdout


def test_what_nobody_signed_is_refused_before_a_byte_of_it_is_fetched(farm: Farm):
    said = farm.refused(farm.image(good("0.4.0")), "--no-sign")
    assert "barn: Unsigned: nobody signed it" in said
    assert "skerry firmware push" in said


def test_an_image_of_another_board_is_refused(farm: Farm):
    said = farm.refused(farm.image(for_board("pico")), "--mcu", "probe")
    assert "WrongBoard: probe is a mps2, the image is for pico" in said


def test_an_image_that_is_passed_off_as_one_for_this_board_is_refused_by_what_it_says(farm: Farm):
    """As somebody with a key could push it, past the client that compares."""
    path = farm.image(for_board("pico"))
    options = Namespace(
        board=None, release=None, keys=farm.keys, sign=True, downgrade_from=None, sign_days=None
    )
    manifest, image = load(path, "liar", options)
    lie = structs.replace(manifest, board="mps2")
    with Client(farm.cloud.url) as client:
        statement = firmware_statement(lie, image, options)
        signature = sign(client, statement, b"", options)
        made = firmware_artifact(msgspec.json.encode(lie), image)
        push(client, Reference("liar", "1"), made, signature=signature)
    done = skerry(
        *("firmware", "deploy", "liar:1", "--name", "valve", "--wait", "--timeout", str(PATIENCE)),
        cloud=farm.cloud.url,
        check=False,
    )
    assert "WrongBoard: board: the image is for pico, this is mps2" in done.stderr
    farm.runs("0.2.0")


def test_a_damaged_image_is_refused(farm: Farm):
    said = farm.refused(farm.image(damaged("0.4.0")))
    assert "ImageInvalid: image: damaged" in said


def test_a_patch_is_fetched_and_sent_instead_of_the_image(farm: Farm):
    image = changed("0.2.1")
    farm.deploy(farm.image(image), "--from", "0.2.0")
    farm.runs("0.2.1")
    instance = farm.instance()
    desired, status = instance["spec"]["desired"], instance["status"]
    (patch,) = desired["patches"]
    assert (status["patched"], status["unpatched"]) == (True, "")
    assert status["fetched"] == patch["size"]
    assert patch["size"] <= status["sent"] < len(image) / 10
    assert farm.has(patch["digest"])
    assert not farm.has(desired["image"]["digest"]), "nobody fetched it"
    wide = skerry("get", "firmwareinstances", "-w", cloud=farm.cloud.url).stdout
    assert f"{status['sent']} by patch" in wide


def test_a_patch_of_an_image_that_does_not_run_is_left_and_the_image_comes_whole(farm: Farm):
    path = farm.folder / "other.bin"
    path.write_bytes(good("0.1.9"))
    image = good("0.2.2")
    farm.deploy(farm.image(image), "--from", str(path))
    farm.runs("0.2.2")
    instance = farm.instance()
    status, patch = instance["status"], instance["spec"]["desired"]["patches"][0]
    runs = parse(changed("0.2.1")).digest.hex()
    assert status["unpatched"] == f"no patch is of the image that runs, sha256:{runs}"
    assert (status["patched"], status["fetched"]) == (False, len(image))
    assert status["sent"] >= len(image)
    assert not farm.has(patch["digest"]), "it was not even fetched"


def test_an_older_version_is_refused_until_somebody_signs_the_permission(farm: Farm):
    """The way back is a patch, too."""
    older = farm.image(good("0.2.0"))
    said = farm.deploy(older, "--from", "0.2.2", check=False)
    assert "VersionRollback: version 0.2.0 of skerry-mps2 is older than 0.2.2" in said
    farm.runs("0.2.2")
    farm.deploy(older, "--from", "0.2.2", "--downgrade-from", "0.2.2")
    farm.runs("0.2.0")
    assert farm.instance()["status"]["patched"]
