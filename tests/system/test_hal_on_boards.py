"""The HAL's Linux backends on emulated boards: their contract suites run in the guest.

`virt` has a PL061 whose lines the bench drives with interrupts; `raspi3b` has the chip and the
buses of a Raspberry Pi, but QEMU gives its GPIO lines no interrupts, so edges are left out there.
"""

import shlex
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from qemu.board import (
    RASPI3B,
    VIRT,
    Board,
    Eeprom,
    Fittings,
    Machine,
    Programs,
    Tmp105,
    tiny_media,
)
from tests.support.bench import Wiring
from tests.support.bench_host import PORT, serving
from tests.support.guest_python import SITE, SUITE, guest_python

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(600)]
OURS = ("hal", "tests/contract/hal", "tests/support/bench.py")
SUITE_S = 240.0
PYTHON = ("env", f"PYTHONPATH=/{SITE}:/{SUITE}", "python3.11")
DISCOVER = """
from hal.linux.board import discover
found = discover()
print(found.lines["GPIO17"].line, "i2c-1" in found.buses, *sorted(found.ports))
"""
RESULTS = "/tmp/results.xml"

# With one processor an edge is in the kernel's queue before the bench's answer wakes the test.
QUICK = msgspec.structs.replace(VIRT, cores=1)


@contextmanager
def booted(
    machine: Machine, cache: Path, programs: Programs, fittings: Fittings
) -> Iterator[Board]:
    media = tiny_media(machine, cache, more=guest_python(OURS))
    with Board(machine, media, programs, fittings) as board:
        board.power_on()
        board.check("mkdir -p /dev/pts && mount -t devpts devpts /dev/pts")
        yield board


def run_suite(board: Board, wired: Wiring, *arguments: str) -> dict[str, str]:
    """Each test that the guest ran with what went wrong, empty when it passed."""
    command = shlex.join(
        [
            *("env", wired.variable(), "COLUMNS=95", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1"),
            *(*PYTHON, "-m", "pytest", "-q"),
            *("-p", "no:cacheprovider", "--import-mode=importlib", "--color=no"),
            *(f"--junitxml={RESULTS}", *arguments),
        ]
    )
    with serving(board):
        done = board.run(f"cd /{SUITE} && {command}", within=SUITE_S)
    assert done.status in (0, 1), done.output
    results = ET.fromstring(board.get(RESULTS))  # noqa: S314 - our own guest wrote it
    return dict(map(outcome, results.iter("testcase")))


def outcome(case: ET.Element) -> tuple[str, str]:
    name = f"{case.get('classname')}::{case.get('name')}"
    return name, "\n".join(bad.text or bad.get("message", "") for bad in case)


def report(results: dict[str, str], subtests: pytest.Subtests) -> None:
    """A subtest for each of the guest's tests; where one went wrong, it tells what the guest saw."""
    assert [name for name in results if "[linux" in name], "no test met the kernel"
    for name, wrong in results.items():
        with subtests.test(name):
            if wrong:
                pytest.fail(wrong, pytrace=False)


def test_the_kernel_keeps_the_contract_of_gpio_with_edges(
    board_cache: Path, board_programs: Programs, subtests: pytest.Subtests
) -> None:
    fittings = Fittings(memory_mb=512, ports=(PORT,))
    wired = Wiring(port="/dev/ttyS0", chip="/dev/gpiochip0", line=5)
    with booted(QUICK, board_cache, board_programs, fittings) as board:
        report(run_suite(board, wired, "tests/contract/hal"), subtests)


def test_a_raspberry_pi_keeps_the_contracts_and_its_hardware_is_found_by_name(
    board_cache: Path, board_programs: Programs, subtests: pytest.Subtests
) -> None:
    fittings = Fittings(
        sensors=(Tmp105(address=0x4A),), eeproms=(Eeprom(address=0x48),), ports=(PORT,)
    )
    wired = Wiring(port="/dev/ttyS1", chip="pinctrl-bcm2835", line=17, bus="/dev/i2c-1")
    with booted(RASPI3B, board_cache, board_programs, fittings) as board:
        report(run_suite(board, wired, "tests/contract/hal", "-k", "linux and not edge"), subtests)
        found = board.check(shlex.join([*PYTHON, "-c", DISCOVER.strip().replace("\n", "; ")]))
    assert found == "17 True ttyAMA0 ttyS1"
