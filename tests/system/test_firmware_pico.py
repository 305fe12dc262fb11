"""The firmware of a Raspberry Pi Pico in rp2040js: its USB, its pins, its flash, with this test as its node."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boards import uf2
from boards.firmware import firmware, flash_map
from firmware.device.app import CONFIG, PROPERTY, STATE
from firmware.device.bus import CLOSE, OPEN, PIN, RESOURCES
from firmware.device.bus import GROUP as LENDING
from firmware.link import smp
from hal.link.image import parse
from tests.support.mcu import CACHE
from tests.support.node_end import NodeEnd
from tests.support.pico import UNIQUE, Pico, flashed, pico, tty
from tests.support.system import skerry, until

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]
LAMP, DOOR = 15, 14
Wired = tuple[Pico, NodeEnd]


def barn(**more: Any) -> dict[str, Any]:
    return {
        "properties": {
            "lamp": {"kind": "out", "pin": f"GP{LAMP}", "safe": 0},
            "door": {"kind": "in", "pin": f"GP{DOOR}", "every": 20},
        }
        | more,
    }


@pytest.fixture
def flash(tmp_path: Path) -> Path:
    return flashed(tmp_path / "flash")


def met(board: Pico) -> NodeEnd:
    node = NodeEnd(board.link)
    node.meet()
    return node


def test_building_it_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = firmware("pico", CACHE, print)
    for kept in ("micropython", "sources", "packages", "trees"):
        (tmp_path / "cache").mkdir(exist_ok=True)
        (tmp_path / "cache" / kept).symlink_to(CACHE / kept)
    again = firmware("pico", tmp_path / "cache", print)
    assert again.read_bytes() == first.read_bytes()


def test_the_command_makes_what_a_pico_takes(tmp_path: Path) -> None:
    out = tmp_path / "made.uf2"
    said = skerry("firmware", "build", "pico", "-o", str(out), "--cache", str(CACHE)).stdout
    assert "KiB of flash" in said
    assert re.search(r"bootloader: [0-9,]+ bytes; an image: at most [0-9,]+; files: 512 KiB", said)
    image = parse(out.with_suffix(".bin").read_bytes())
    assert (image.board, str(image.version)) == ("pico", "0.1.0")
    found = uf2.examined(out.read_bytes())
    assert (found.family_name, found.start) == ("rp2040", uf2.RP2040_FLASH)


def test_a_computer_sees_two_serial_ports_and_one_is_the_link(tmp_path: Path) -> None:
    """With what the drive leaves: the first start copies the program to where it runs."""
    with pico(tmp_path / "flash") as board:
        board.wait_for("usb")
        node = met(board)
        assert node.who == {"name": "pico", "firmware": "0.1.0", "link": 1, "id": UNIQUE}
        said = board.usb()
        assert said["ports"] == ["console", "link"]
        assert (said["manufacturer"], said["product"]) == ("Skerry", "Pico")
        assert said["serial"] == UNIQUE, (
            "two of them are told apart by what the computer sees, too"
        )
        assert node.read(STATE)["free"] > 100_000


def test_its_configuration_is_in_flash_when_the_plug_was_pulled(flash: Path) -> None:
    with pico(flash) as board:
        met(board).write(CONFIG, c=barn())
    with pico(flash) as board:
        board.drive(DOOR, 1)
        node = met(board)
        assert set(node.read(CONFIG)["c"]["properties"]) == {"lamp", "door"}
        assert node.report("door")["v"] == 1


def test_a_reset_is_another_start_and_the_computer_sees_it_come_back(flash: Path) -> None:
    with pico(flash) as board:
        node = met(board)
        node.write(CONFIG, c=barn())
        board.wait_for("usb")
        node.ask(2, 5, group=0)
        board.wait_for("reset")
        board.wait_for("usb")
        node.meet()
        assert set(node.read(CONFIG)["c"]["properties"]) == {"lamp", "door"}


def test_the_prompt_on_the_console_is_free_beside_the_link(flash: Path) -> None:
    with pico(flash) as board:
        met(board)
        assert board.console.run("import sys; print(sys.platform)") == "rp2\n"


def test_a_person_at_the_prompt_is_not_bitten_by_the_watchdog(flash: Path) -> None:
    with pico(flash) as board:
        met(board)
        assert board.console.run("import time; time.sleep_ms(10_000); print('still here')") == (
            "still here\n"
        )


def test_a_program_that_hangs_is_ended_by_the_watchdog(flash: Path) -> None:
    with pico(flash) as board:
        met(board)
        board.wait_for("usb")
        board.console.start("from machine import WDT\nWDT(timeout=300)\nwhile True: pass")
        board.wait_for("reset")
        NodeEnd(board.link).meet()  # it runs again


def test_touching_the_console_at_1200_baud_leads_to_the_boot_loader(flash: Path) -> None:
    with pico(flash) as board:
        met(board)
        board.touch(0, 1200)
        board.wait_for("bootloader")


def test_the_flash_command_leads_a_running_one_to_its_boot_loader(
    flash: Path, tmp_path: Path
) -> None:
    with pico(flash) as board, tty(board.console.socket) as port:
        met(board)
        image = firmware("pico", CACHE, print)
        done = skerry(
            *("firmware", "flash", str(image), "--port", port, "--wait", "0.1"), check=False
        )
        assert "led to its boot loader by MicroPython's prompt" in done.stdout
        board.wait_for("bootloader")
        assert "no UF2 drive" in done.stderr, "a computer would see one now"


def test_what_is_in_flash_and_is_no_file_system_is_left_alone(flash: Path) -> None:
    with flash.open("r+b") as file:
        file.seek(flash_map("pico")["MAP_FILES"])
        file.write(b"somebody's data" * 1000)
    before = flash.read_bytes()
    with pico(flash) as board:
        met(board)
        assert board.console.run("import os; print(os.listdir('/'))") == "[]\n"
    assert flash.read_bytes() == before


# --- of one that stays on: a start takes seconds, and what follows needs none of its own ------------


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pico]:
    with pico(flashed(tmp_path_factory.mktemp("pico") / "flash")) as board:
        yield board


@pytest.fixture
def wired(running: Pico) -> Wired:
    """That one with another start of its node, and with nothing configured."""
    node = met(running)
    assert node.write(CONFIG, c={"properties": {}}) == {}
    return running, node


def test_an_output_is_seen_outside_and_an_input_is_reported(wired: Wired) -> None:
    board, node = wired
    assert node.write(CONFIG, c=barn()) == {}
    assert board.level(LAMP) == (0, True), "safe from the start"
    assert node.write(PROPERTY, p="lamp", v=1) == {"v": 1}
    assert board.level(LAMP) == (1, True)
    assert node.report("door")["v"] == 0
    board.drive(DOOR, 1)
    assert node.report("door")["v"] == 1
    assert board.level(DOOR) == (0, False), "an input is not driven by the Pico"
    refused = node.write(CONFIG, c=barn(x={"kind": "in", "pin": "GP77"}))
    assert "properties.x" in refused["rsn"]


def test_an_analogue_input_is_told_in_its_own_unit(wired: Wired) -> None:
    tank = {"kind": "adc", "pin": "GP26", "every": 20, "high": 3.3, "change": 0.05}
    share = {"kind": "adc", "pin": "GP27", "every": 20}
    board, node = wired
    board.convert(0, 4095)
    board.convert(1, 1024)
    assert node.write(CONFIG, c={"properties": {"tank": tank, "share": share}}) == {}
    assert node.report("tank")["v"] == pytest.approx(3.3)
    assert node.read(PROPERTY, p="share")["v"] == pytest.approx(0.25, abs=0.001)
    board.convert(0, 2048)
    assert node.report("tank")["v"] == pytest.approx(1.65, abs=0.001)
    refused = node.write(CONFIG, c={"properties": {"x": {"kind": "adc", "pin": "GP2"}}})
    assert "properties.x" in refused["rsn"], "that pin has no converter"


def test_a_pwm_is_high_for_the_share_that_is_asked_for_and_safe_without_its_node(
    wired: Wired,
) -> None:
    fan = {"kind": "pwm", "pin": f"GP{LAMP}", "freq": 1000, "safe": 0.25}
    board, node = wired
    assert node.write(CONFIG, c={"properties": {"fan": fan}, "safe_after": 500}) == {}
    assert board.watch(LAMP, 100) == (pytest.approx(100, abs=2), pytest.approx(0.25, abs=0.02))
    assert node.write(PROPERTY, p="fan", v=0.75) == {"v": 0.75}
    assert board.watch(LAMP, 100)[1] == pytest.approx(0.75, abs=0.02)
    assert "from 0 to 1" in node.write(PROPERTY, p="fan", v=7)["rsn"]
    until(lambda: node.overhear() or board.watch(LAMP, 100)[1] < 0.3, "it is safe again", 60)


def test_a_pulled_up_input_and_an_output_that_is_no_longer_configured(wired: Wired) -> None:
    board, node = wired
    door = {"kind": "in", "pin": f"GP{DOOR}", "pull": "up", "every": 20}
    assert node.write(CONFIG, c={"properties": barn()["properties"] | {"door": door}}) == {}
    assert board.pull(DOOR) == "up"
    node.write(PROPERTY, p="lamp", v=1)
    assert node.write(CONFIG, c={"properties": {"door": door}}) == {}
    assert board.level(LAMP) == (0, True), "nobody can switch it off any more"


def test_without_its_node_its_outputs_become_safe(wired: Wired) -> None:
    board, node = wired
    node.write(CONFIG, c=barn() | {"safe_after": 500})
    node.write(PROPERTY, p="lamp", v=1)

    def out() -> bool:
        node.overhear()
        return board.level(LAMP) == (0, True)

    assert board.level(LAMP) == (1, True)
    until(out, "the lamp is out, as nobody speaks to it", 60)


def test_it_lends_its_pins_to_the_nodes_apps_and_takes_them_back(wired: Wired) -> None:
    board, node = wired
    lent = node.ask(smp.READ, RESOURCES, group=LENDING)
    assert lent["buses"] == ["i2c-0", "i2c-1"]
    assert {"LED", "GP0", f"GP{LAMP}", "GP28"} <= set(lent["pins"])
    out = {"p": f"GP{LAMP}", "out": True, "v": 1, "safe": 0}
    assert node.ask(smp.WRITE, OPEN, group=LENDING, **out) == {}
    assert board.level(LAMP) == (1, True)
    assert node.ask(smp.READ, PIN, group=LENDING, p=f"GP{LAMP}") == {"v": 1}
    refused = node.write(CONFIG, c={"properties": {"x": {"kind": "out", "pin": f"GPIO{LAMP}"}}})
    assert f"GP{LAMP} is in use" in refused["rsn"], "by any of its names"
    assert node.ask(smp.WRITE, CLOSE, group=LENDING, p=f"GP{LAMP}") == {}
    assert board.level(LAMP) == (0, True), "safe when it is closed"
    door = {"p": f"GP{DOOR}", "pull": "up", "edge": "both"}
    assert node.ask(smp.WRITE, OPEN, group=LENDING, **door) == {}
    before = node.ask(smp.READ, PIN, group=LENDING, p=f"GP{DOOR}")["v"]
    board.drive(DOOR, 1 - before)
    assert node.edges(f"GP{DOOR}")["x"][1] == 1 - before
    assert node.write(CONFIG, c=barn())["rsn"].endswith("in use by an app of the node")
