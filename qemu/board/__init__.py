"""Boards as virtual machines, for tests. `Board` is all a test needs; the README shows it.

`plugin` gives it to pytest; everything else is a value or a pure function that it is made of.
"""

from qemu.board.board import Board
from qemu.board.errors import BoardError
from qemu.board.machine import (
    MACHINES,
    NO_RTC,
    RASPI3B,
    VIRT,
    VIRT_UBOOT,
    Eeprom,
    Fittings,
    Machine,
    Media,
    Tmp105,
    machine_named,
)
from qemu.board.programs import Programs, pinned_programs
from qemu.board.tiny import tiny_media

__all__ = [
    "MACHINES",
    "NO_RTC",
    "RASPI3B",
    "VIRT",
    "VIRT_UBOOT",
    "Board",
    "BoardError",
    "Eeprom",
    "Fittings",
    "Machine",
    "Media",
    "Programs",
    "Tmp105",
    "machine_named",
    "pinned_programs",
    "tiny_media",
]
