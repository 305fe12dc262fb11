"""From the names in an app's grants to hardware, on a real simulated board."""

from collections.abc import Iterator

import pytest

from edge.errors import GrantError
from edge.grants import resolve
from edge.sandbox.setup import GpioGrant, I2CGrant
from edge.wire.messages import DesiredApp
from hal.gpio import Direction
from hal.sim.board import LineState, SimBoard
from tests.support.specs import desired_app

GRANTS = {
    "probe": {"kind": "i2c"},
    "heater": {"kind": "gpio", "direction": "out", "initial": True},
    "gps": {"kind": "serial", "optional": True},
}


@pytest.fixture
def board() -> Iterator[SimBoard]:
    board = SimBoard()
    board.add_line("GPIO17")
    board.add_bus("i2c-1")
    board.add_device("i2c-1", 0x48, "tmp105")
    yield board
    board.close()


def app(**grants: str) -> DesiredApp:
    return desired_app(manifest={"grants": GRANTS}, grants=grants)


def test_a_grant_opens_what_it_names_as_the_manifest_says(board: SimBoard):
    found = resolve(app(probe="i2c-1:0x48", heater="GPIO17"), board)
    assert found.keys() == {"probe", "heater"}
    assert isinstance(found["probe"], I2CGrant)
    found["probe"].open().close()
    assert isinstance(found["heater"], GpioGrant)
    with found["heater"].open():
        assert board.observe()["GPIO17"] == LineState(level=True, direction=Direction.OUTPUT)


@pytest.mark.parametrize(
    ("grants", "message"),
    [
        ({"probe": "i2c-1:0x48"}, r"grants\.heater: the app needs a gpio resource"),
        (
            {"probe": "i2c-1:0x48", "heater": "GPIO99"},
            r"grants\.heater: this board has no 'GPIO99'",
        ),
        (
            {"probe": "i2c-1", "heater": "GPIO17"},
            r"grants\.probe: 'i2c-1': an I2C device is written bus:address",
        ),
        ({"probe": "i2c-1:0x80", "heater": "GPIO17"}, r"grants\.probe: .*0x08 to 0x77"),
        ({"probe": "i2c-9:0x48", "heater": "GPIO17"}, r"grants\.probe: .*no 'i2c-9'; it has"),
        ({"valve": "GPIO17"}, r"grants\.valve: .*no grant of this name \(it has: probe"),
    ],
)
def test_a_wrong_grant_names_itself_and_the_remedy(
    board: SimBoard, grants: dict[str, str], message: str
):
    with pytest.raises(GrantError, match=message):
        resolve(app(**grants), board)
