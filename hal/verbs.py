"""What is done with a microcontroller that is plugged into this machine."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skerry import Verbs


def add(verbs: "Verbs") -> None:
    """Add it."""
    update = verbs.group("firmware").verb(
        "update", "hal.link.cli:update", "update a running microcontroller over its link"
    )
    update.add_argument("image", type=Path, help="the image, as skerry firmware build leaves it")
    update.add_argument(
        "--port", type=Path, required=True, metavar="DEVICE", help="where it is: /dev/ttyACM0"
    )
    update.add_argument("--baudrate", type=int, default=115_200, help="of a UART; USB has none")
    update.add_argument(
        "--downgrade", action="store_true", help="an older version than the one that runs is meant"
    )
