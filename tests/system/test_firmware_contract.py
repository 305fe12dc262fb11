"""The contract suites of GPIO and I2C on the emulated microcontroller, through the link."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from firmware.link.smp import READ
from hal.board import Board
from hal.link.answers import CLOCK, GROUP
from qemu.board import Programs
from tests.contract.hal import test_contract_gpio, test_contract_i2c
from tests.support.lines import Lines
from tests.support.mcu import mcu
from tests.support.mcu_node import Attached, attached

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]
LINE = 5

for _suite in (test_contract_gpio, test_contract_i2c):
    globals().update(
        {name: test for name, test in vars(_suite).items() if name.startswith("test_")}
    )


class McuOutside:
    """The other end of a line. What the device saw before it answers is here with its answer."""

    pin = f"chip.GPIO{LINE}"

    def __init__(self, node: Attached, lines: Lines) -> None:
        self.board = node.board
        self._node = node
        self._lines = lines

    def set(self, level: bool) -> None:
        self._lines.set(LINE, level=level)
        self._node.link.request(READ, GROUP, CLOCK, {})

    def level(self) -> bool:
        return self._lines.level(LINE)


@pytest.fixture(scope="module")
def node(
    board_programs: Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Attached, Lines]]:
    flash: Path = tmp_path_factory.mktemp("chip") / "flash"
    with ExitStack() as stack:
        chip = stack.enter_context(mcu(board_programs, flash, sensor=0x4A, eeprom=0x48))
        lines = Lines(flash)
        stack.callback(lines.close)
        yield stack.enter_context(attached("chip", chip)), lines


@pytest.fixture
def outside(node: tuple[Attached, Lines]) -> McuOutside:
    made = McuOutside(*node)
    made.set(False)
    return made


@pytest.fixture
def bus() -> str:
    return "chip.i2c-3"


@pytest.fixture
def board(node: tuple[Attached, Lines]) -> Board:
    return node[0].board
