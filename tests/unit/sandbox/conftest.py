from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.sandbox.engine import Engine
from hal.sim import SimBoard
from tests.support.guests import Node


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


@pytest.fixture
def board() -> Iterator[SimBoard]:
    board = SimBoard()
    for name in ("GPIO1", "GPIO2", "GPIO3"):
        board.add_line(name)
    board.add_device("i2c-1", 0x48, "tmp105")
    board.add_port("serial0")
    board.add_port("serial1")
    yield board
    board.close()


@pytest.fixture
def node(engine: Engine, tmp_path: Path, board: SimBoard) -> Node:
    """A node whose app has one grant of each kind, a stream and twin properties."""
    return Node(
        engine,
        tmp_path,
        board,
        manifest={
            "grants": {
                "button": {"kind": "gpio", "edge": "both"},
                "lamp": {"kind": "gpio", "direction": "out"},
                "probe": {"kind": "i2c"},
                "meter": {"kind": "serial"},
                "spare": {"kind": "serial"},
                "absent": {"kind": "gpio", "optional": True},
            },
            "telemetry": {"temperature": {}, "state": {}},
            "twin": {
                "setpoint": {"type": "number", "default": 21.5, "min": 5, "max": 30},
                "mode": {"type": "string"},
                "count": {"type": "integer"},
                "enabled": {"type": "boolean"},
            },
        },
        resources={
            "button": "GPIO1",
            "lamp": "GPIO2",
            "probe": "i2c-1:0x48",
            "meter": "serial0",
            "spare": "serial1",
        },
    )
