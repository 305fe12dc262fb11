"""A TMP105 answers alike whether it is simulated or QEMU's behind the kernel: what apps decode.

Where the kernel's turn comes: tests/system/test_hal_on_boards.py.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from hal.board import Board
from hal.i2c import Read, Write
from hal.linux.board import LinuxBoard, LinuxConfig
from hal.sim import SimBoard
from tests.support.bench import Bench, Wiring, wiring

ADDRESS = 0x4A
TEMPERATURE, CONFIGURATION = b"\x00", b"\x01"
NINE_BITS, TWELVE_BITS = b"\x00", b"\x60"
FELT = [36.5, 0.0, 0.125, -0.125, -0.5, -10.125, -40.25, -55.0, 127.875]


class Probe(Protocol):
    board: Board

    def feel(self, celsius: float) -> None: ...
    def close(self) -> None: ...


class SimProbe:
    """Its time goes on by a second at each look, so every conversion has ended."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self.board = SimBoard(now=self._now)
        self.board.add_device("i2c-1", ADDRESS, "tmp105")

    def feel(self, celsius: float) -> None:
        self.board.drive(f"i2c-1:{ADDRESS:#x}", temperature=celsius)

    def close(self) -> None:
        self.board.close()

    def _now(self) -> float:
        self._seconds += 1
        return self._seconds


class KernelProbe:
    def __init__(self, wired: Wiring) -> None:
        self._bench = Bench(wired.port)
        assert wired.bus is not None
        self.board = LinuxBoard(LinuxConfig(buses={"i2c-1": Path(wired.bus)}))

    def feel(self, celsius: float) -> None:
        self._bench.feel(celsius)

    def close(self) -> None:
        self._bench.close()


WIRED = wiring()


@pytest.fixture(params=["sim", "linux"] if WIRED and WIRED.bus else ["sim"])
def probe(request: pytest.FixtureRequest) -> Iterator[Probe]:
    made = KernelProbe(WIRED) if WIRED and request.param == "linux" else SimProbe()
    yield made
    made.close()


@pytest.mark.parametrize("celsius", FELT)
def test_twelve_bits_tell_sixteenths_of_a_degree(probe: Probe, celsius: float) -> None:
    with probe.board.open_i2c("i2c-1", ADDRESS) as sensor:
        sensor.transfer([Write(CONFIGURATION + TWELVE_BITS)])
        probe.feel(celsius)
        (told,) = sensor.transfer([Write(TEMPERATURE), Read(2)])
    assert int.from_bytes(told, "big", signed=True) / 256 == celsius


@pytest.mark.parametrize(("celsius", "told"), [(36.5, 36.5), (21.125, 21.0), (-10.125, -10.5)])
def test_nine_bits_tell_the_half_degree_below(probe: Probe, celsius: float, told: float) -> None:
    with probe.board.open_i2c("i2c-1", ADDRESS) as sensor:
        sensor.transfer([Write(CONFIGURATION + NINE_BITS)])
        probe.feel(celsius)
        (answer,) = sensor.transfer([Write(TEMPERATURE), Read(2)])
    assert int.from_bytes(answer, "big", signed=True) / 256 == told


def test_the_configuration_is_read_back(probe: Probe) -> None:
    with probe.board.open_i2c("i2c-1", ADDRESS) as sensor:
        sensor.transfer([Write(CONFIGURATION + TWELVE_BITS)])
        assert sensor.transfer([Write(CONFIGURATION), Read(1)]) == [TWELVE_BITS]
