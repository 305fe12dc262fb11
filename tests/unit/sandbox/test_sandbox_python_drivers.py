"""The drivers of `firmware/drivers`, the same files, in the sandbox; and what editors are told."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hal.sim import SimBoard
from tests.support.guests import ROOT, Node
from tests.support.python_app import run, said

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DRIVERS = ROOT / "firmware" / "drivers"
TYPINGS = ROOT / "wasm_apps" / "python" / "typings"
APPS = sorted(ROOT.glob("wasm_apps/*/src/main.py")) + sorted(
    ROOT.glob("wasm_apps/templates/*/src/main.py")
)


def driver(name: str) -> str:
    return (DRIVERS / f"{name}.py").read_text()


def test_the_driver_of_the_tmp105_runs_unchanged(node: Node, board: SimBoard):
    board.drive("i2c-1:0x48", temperature=-5.0625)
    source = """
import time
from machine import I2C
from tmp105 import Lm75, Tmp105
probe = Tmp105(I2C("probe"), 0x48)
probe.celsius()
time.sleep(0.5)  # a conversion of twelve bits takes that long
print(probe.celsius(), Lm75(I2C("probe"), 0x48).celsius())
"""
    run(node, source, tmp105=driver("tmp105"))
    assert said(node) == ["-5.0625 -5.5"]


def test_the_driver_of_the_bme280_runs_unchanged(node: Node, board: SimBoard):
    board.add_device("i2c-1", 0x76, "bme280")
    board.drive("i2c-1:0x76", temperature=18.5, humidity=61.0, pressure=98000.0)
    node.resources = {"probe": "i2c-1:0x76"}
    source = """
import time
from bme280 import Bme280
from machine import I2C
celsius, percent, pascal = Bme280(I2C("probe"), 0x77, time.sleep_ms).measured()
print(abs(celsius - 18.5) < 0.05, abs(percent - 61) < 0.5, abs(pascal - 98000) < 20)
"""
    run(node, source, bme280=driver("bme280"))
    assert said(node) == ["True True True"]


def test_a_sensor_that_is_gone_is_the_error_its_driver_knows(node: Node, board: SimBoard):
    board.drive("i2c-1:0x48", present=0)
    source = """
from machine import I2C
from tmp105 import Tmp105
try:
    Tmp105(I2C("probe"), 0x48).celsius()
except OSError as fault:
    print(fault)
"""
    run(node, source, tmp105=driver("tmp105"))
    assert said(node) == ["[Errno 19] ENODEV"]


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.parts[-3])
def test_the_stubs_know_what_the_apps_that_come_with_it_use(app: Path, tmp_path: Path):
    assert APPS
    shutil.copy(app, tmp_path / "main.py")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "main.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(TYPINGS), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stubs_refuse_what_is_not_there(tmp_path: Path):
    (tmp_path / "main.py").write_text(
        "import skerry\nfrom machine import Pin\nPin(17)\nPin('lamp').blink()\n"
        "skerry.telemetry.publish('room', [{'volts': 3}])\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "main.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(TYPINGS), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split(":")[1] for line in done.stdout.splitlines() if ": error:" in line]
    assert sorted(set(lines)) == ["3", "4", "5"]


def test_every_name_in_the_stubs_is_one_that_the_runtime_has(node: Node):
    source = """
import machine, skerry, time
stubs = ((machine, "machine.pyi"), (skerry, "skerry.pyi"), (time, "time.pyi"))
for module, path in stubs:
    owner = module
    for line in open(path):
        words = line.replace(":", " ").replace("(", " ").split()
        if line.startswith(("def ", "class ")) and not words[1].startswith("_"):
            owner = getattr(module, words[1])
            if words[1] in ("Event", "edges", "every"):
                owner = None
        elif line.startswith("class "):
            owner = getattr(module, words[1][1:].lower())
        elif line.startswith(("    def ", "    async def ")) and owner is not None:
            name = line.split("def ")[1].split("(")[0]
            if not name.startswith("__"):
                getattr(owner, name)
print("all")
"""
    end = run(
        node,
        source,
        **{
            name: (TYPINGS / name).read_text()
            for name in ("machine.pyi", "skerry.pyi", "time.pyi")
        },
    )
    assert said(node) == ["all"], end
