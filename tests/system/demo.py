"""`make demo`: the main job on an emulated Raspberry Pi that boots the image a card is flashed with.

Nothing is installed and nothing needs root, unless a program that builds images is missing.
"""

import os
import sys
import time
from itertools import groupby
from pathlib import Path

from qemu.board import Board, pinned_programs
from tests.support.images import built_image
from tests.support.pi import FROM_GUEST, HEATER, SLOW, Pi, pi
from tests.support.system import ROOT, Cloud, readings, until
from tests.support.telling import BOLD, DIM, PLAIN, memory, note, show, show_lines, step, told

QEMU_CACHE = ROOT / ".cache/qemu"
THERMOSTAT = "wasm_apps/thermostat"
PYTHON = "wasm_apps/room"
SET_POINT = 30
ROOM = 17.5
"""What the second sensor feels, the one that the app in Python reads."""
OFFLINE = ((19.0, True), (33.0, False), (20.5, True), (34.5, False))
"""Temperatures while the link is cut, and whether the heater shall be on then: each switches it."""


def main() -> int:
    print(f"{BOLD}Skerry: from a cloud service to a sandboxed app on a Raspberry Pi{PLAIN}")
    note(
        "The Pi is emulated (QEMU's raspi3b); it boots the same file that a card is flashed with."
    )
    note(
        "The first time it fetches 160 MB and builds for some minutes; what it made is kept in .cache."
    )
    return told(_demo)


def _demo(home: Path) -> None:
    step("Build the image of a Raspberry Pi 3 from pinned packages, without root")
    image = built_image("rpi3", say=note)
    note(
        f"{image.stat().st_size >> 20} MiB, {image.stat().st_blocks * 512 / 1e6:.0f} MB of it used"
    )
    programs = pinned_programs(QEMU_CACHE)
    step("Start the cloud service: API, registry, telemetry, in one process on SQLite")
    os.environ["SKERRY_CONTEXTS"] = str(home / "contexts")
    with Cloud(home / "cloud", secure=True, names=(FROM_GUEST,)) as cloud:
        note(f"it listens at {cloud.url}; {memory(cloud.pid)}")
        note("it has made its own certificate authority; everything below is TLS 1.3")
        step("Make keys on this desk; the cloud never has them, and nodes run what they signed")
        show("keys", "init", keys=home / "keys")
        step("Flash a card, as a file: a node called barn, that joins with a token for one use")
        with pi(image, cloud, programs, home / "keys") as barn:
            _boot(barn)
            _deploy(cloud, home / "keys")
            _deploy_python(cloud, home / "keys")
            _warm_up(cloud, barn)
            _cut_the_link(cloud, barn)
            _heal_the_link(cloud, barn)
    _what_next()


def _boot(barn: Pi) -> None:
    note("its settings lie in skerry.toml in the boot partition, where a person can edit them")
    step("Switch the Pi on, two TMP105 sensors on its I2C bus")
    began = time.monotonic()
    barn.power_on()
    barn.board.sensor().celsius = 21.5
    barn.board.sensor("room").celsius = ROOM
    note(f"its agent answers after {time.monotonic() - began:.0f} s of emulation; at its console:")
    note(f"{DIM}# skerry agent status{PLAIN}")
    show_lines(barn.board.check("skerry agent status", within=SLOW))


def _deploy(cloud: Cloud, keys: Path) -> None:
    step("Build a thermostat from source (C) and deploy it to every node with the label site=barn")
    note("the very first build also compiles the C library: up to a minute, once")
    show("app", "build", THERMOSTAT)
    show(
        *("app", "deploy", THERMOSTAT, "-l", "site=barn", "--wait", "--timeout", "300"),
        *("--grant", "probe=i2c-1:0x48", "--grant", f"heater=GPIO{HEATER}"),
        *("--twin", f"setpoint={SET_POINT}", "--twin", "interval=1"),
        *("--twin", "min-on=0", "--twin", "min-off=0"),
        cloud=cloud,
        keys=keys,
    )
    show("get", "nodes", cloud=cloud)


def _deploy_python(cloud: Cloud, keys: Path) -> None:
    step("Deploy an app in Python beside it; this is all of it:")
    show_lines((ROOT / PYTHON / "src/main.py").read_text().rstrip())
    note("what runs it, MicroPython, is built from pinned source once, in two minutes")
    show("app", "build", PYTHON)
    show(
        *("app", "deploy", PYTHON, "-l", "site=barn", "--wait", "--timeout", "300"),
        *("--grant", "probe=i2c-1:0x49", "--twin", "interval=1"),
        cloud=cloud,
        keys=keys,
    )
    show("get", "appinstances", cloud=cloud)

    def felt() -> bool:
        return any(each["value"] == ROOM for each in readings(cloud, name="room"))

    until(felt, f"{ROOM} is in the cloud", SLOW)
    show("telemetry", "room", "-n", "1", cloud=cloud)
    note("a second one would bring its own bytes alone: the runtime is there, and compiled")


def _warm_up(cloud: Cloud, barn: Pi) -> None:
    step(f"Warm the sensor past the set-point of {SET_POINT}: the heater, a GPIO line, goes off")
    until(lambda: 21.5 in _temperatures(cloud), "the first reading is in the cloud", SLOW)
    barn.until_heater(on=True)
    _say_level(barn.board)
    for celsius in (25.0, 36.5):
        note(f"the emulated sensor now feels {celsius} °C")
        barn.board.sensor().celsius = celsius
        until(lambda: celsius in _temperatures(cloud), f"{celsius} is in the cloud", SLOW)  # noqa: B023 - called at once
    barn.until_heater(on=False)
    _say_level(barn.board)
    show("telemetry", cloud=cloud)


def _cut_the_link(cloud: Cloud, barn: Pi) -> None:
    step("Pull the network cable; the thermostat runs on, readings wait on the Pi's card")
    barn.board.set_link(up=False)
    for celsius, heats in OFFLINE:
        barn.board.sensor().celsius = celsius
        barn.until_heater(on=heats)
        note(f"{celsius} °C: GPIO{HEATER} is {'high' if heats else 'low'}")
    if {celsius for celsius, _ in OFFLINE} & set(_temperatures(cloud)):
        raise SystemExit("the cable was out, and yet the cloud has readings")
    note("the cloud has none of it: it waits in the outbox. At the Pi's console:")
    note(f"{DIM}# skerry agent status{PLAIN}")
    show_lines(barn.board.check("skerry agent status", within=SLOW))


def _heal_the_link(cloud: Cloud, barn: Pi) -> None:
    step("Plug it in again: what waited is sent")
    barn.board.set_link(up=True)
    wanted = [celsius for celsius, _ in OFFLINE]
    until(lambda: wanted[-1] in _temperatures(cloud), "the newest reading is in the cloud", SLOW)
    barn.until_drained()
    stored = [celsius for celsius, _ in groupby(_temperatures(cloud))][-len(wanted) :]
    if stored != wanted:
        raise SystemExit(f"the sensor felt {wanted}, but the cloud holds {stored}")
    show("telemetry", "temperature", "-n", "6", cloud=cloud)
    note(f"{BOLD}every temperature it felt is there, in order: none is missing{PLAIN}")


def _temperatures(cloud: Cloud) -> list[float]:
    return [round(each["value"], 1) for each in readings(cloud, name="temperature")]


def _say_level(board: Board) -> None:
    level = "high: it heats" if board.gpio_level(HEATER) else "low: it does not heat"
    note(f"GPIO{HEATER}, seen from outside the Pi, is {level}")


def _what_next() -> None:
    step("What to try next")
    for line in (
        "make demo-sim                           three apps on a simulated board, in under a minute",
        "skerry image build rpi3 -o pi.img       the image that this demo booted",
        "skerry emulate pi.img                   the board in this terminal, console attached",
        "skerry flash pi.img /dev/sdX --name barn --cloud https://… --token …   a real card",
        "README.md has a five-minute tour; docs/boards.md tells what never ran on hardware",
    ):
        print(f"  {line}")
    print("  (skerry lies in .venv/bin)")


if __name__ == "__main__":
    sys.exit(main())
