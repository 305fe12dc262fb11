"""What is done with a microcontroller that is plugged into this machine."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skerry import Verbs


def add(verbs: "Verbs") -> None:
    """Add it."""
    firmware = verbs.group("firmware")
    update = firmware.verb(
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
    update.add_argument(
        "--patch",
        type=Path,
        metavar="FILE",
        help="of skerry firmware delta: sent instead where it fits, and else the image",
    )
    delta = firmware.verb(
        "delta", "hal.link.cli:delta", "make the patch from one image to another, on a desk"
    )
    delta.add_argument("old", type=Path, help="the image that devices run")
    delta.add_argument("new", type=Path, help="the image that they are to run")
    delta.add_argument(
        *("-o", "--output"), type=Path, required=True, metavar="FILE", help="the patch"
    )
