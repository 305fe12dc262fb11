"""Simulated hardware: obeys the contracts of `hal`, and is driven from outside."""

from hal.sim.board import (
    Change,
    DeviceState,
    LineState,
    PortState,
    SimBoard,
    Snapshot,
    State,
    Value,
    standard_board,
)
from hal.sim.device import NumberRange, RegisterDevice, SimDevice
from hal.sim.i2c import Fault

__all__ = [
    "Change",
    "DeviceState",
    "Fault",
    "LineState",
    "NumberRange",
    "PortState",
    "RegisterDevice",
    "SimBoard",
    "SimDevice",
    "Snapshot",
    "State",
    "Value",
    "standard_board",
]
