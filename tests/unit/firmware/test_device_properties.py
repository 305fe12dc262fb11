"""What a configuration becomes on a machine, here one whose I2C bus is the simulated one."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from firmware.device.config import checked
from firmware.device.properties import ReadOnlyError, make_buses, make_properties
from hal.sim import SimBoard
from tests.support.machine_i2c import MachineI2C

AIR = 0x76


class Desk:
    """A machine with a bus and a BME280, and without converters; its time passes in sleep."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._seconds = 1000.0
        self.board = SimBoard(now=lambda: self._seconds)
        self.board.add_device("i2c-1", AIR, "bme280")
        bus = MachineI2C({AIR: self.board.open_i2c("i2c-1", AIR)})
        self.machine = SimpleNamespace(Pin=lambda name: name, SoftI2C=lambda *_, **__: bus)
        monkeypatch.setattr(time, "sleep_ms", self._sleep_ms, raising=False)

    def properties(self, **entries: dict[str, object]) -> dict[str, Any]:
        config = {"buses": {"probe": {"scl": "A", "sda": "B"}}, "properties": entries}
        config = checked(config)
        return make_properties(self.machine, config, make_buses(self.machine, config))

    def feel(self, **values: float | bool) -> None:
        self.board.drive("i2c-1:0x76", **values)
        self._seconds += 1

    def transactions(self) -> int:
        return self.board.observe()["i2c-1:0x76"].transactions  # type: ignore[union-attr]

    def _sleep_ms(self, ms: int) -> None:
        self._seconds += ms / 1000


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


def test_a_weather_sensor_is_three_properties(desk: Desk) -> None:
    made = desk.properties(attic={"kind": "bme280", "bus": "probe", "pressure": 7})
    desk.feel(temperature=21.0, humidity=40.0, pressure=99_000.0)
    values = {name: found.read() for name, found in made.items()}
    assert values == {
        "attic.temperature": pytest.approx(21.0, abs=0.02),
        "attic.humidity": pytest.approx(40.0, abs=0.1),
        "attic.pressure": pytest.approx(99_000, abs=5),
    }
    assert [found.change for found in made.values()] == [0.1, 0.5, 7]
    with pytest.raises(ReadOnlyError):
        made["attic.humidity"].write(3)


def test_they_share_a_measurement_until_one_is_asked_for_the_second_time(desk: Desk) -> None:
    made = desk.properties(attic={"kind": "bme280", "bus": "probe"})
    for found in made.values():
        found.read()
    before = desk.transactions()
    for celsius in (10.0, 20.0):
        desk.feel(temperature=celsius)
        for name in sorted(made):
            made[name].read()
    assert desk.transactions() == before + 2
    assert made["attic.temperature"].read() == pytest.approx(20.0, abs=0.02)


def test_one_that_is_away_is_an_error_for_each_and_comes_back(desk: Desk) -> None:
    made = desk.properties(attic={"kind": "bme280", "bus": "probe"})
    made["attic.temperature"].read()
    desk.feel(present=False)
    for name in ("attic.temperature", "attic.humidity", "attic.temperature"):
        with pytest.raises(OSError, match="nothing acknowledged"):
            made[name].read()
    desk.feel(present=True, temperature=3.0)
    assert made["attic.temperature"].read() == pytest.approx(3.0, abs=0.02)


@pytest.mark.parametrize(("kind", "lacks"), [("adc", "ADC"), ("pwm", "PWM")])
def test_what_a_machine_lacks_is_named(desk: Desk, kind: str, lacks: str) -> None:
    with pytest.raises(ValueError, match=f"properties.x: this microcontroller has no {lacks}"):
        desk.properties(x={"kind": kind, "pin": "P"})
