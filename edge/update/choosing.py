"""How an image comes to a microcontroller: it is there, by a patch, or whole. Pure."""

from dataclasses import dataclass

from edge.update.ports import Held
from edge.wire.firmware import DesiredFirmware, FirmwarePatch


@dataclass(frozen=True, slots=True)
class There:
    """It lies in a slot, or runs: nothing is fetched."""


@dataclass(frozen=True, slots=True)
class Whole:
    """The image itself; `why` when there are patches, and none serves."""

    why: str = ""


Way = There | FirmwarePatch | Whole
IMAGE = Whole()
"""Nobody asked for another way."""


def choose(spec: DesiredFirmware, held: Held) -> Way:
    """The shortest way for a microcontroller that has so much."""
    if spec.manifest.digest in held.images:
        return There()
    if not held.patch_limit:
        return Whole("the microcontroller takes no patches")
    if not held.images:
        return Whole("the microcontroller's firmware does not say what it makes of a patch")
    fitting = [each for each in spec.patches if each.base == held.runs]
    if not fitting:
        return Whole(f"no patch is of the image that runs, {held.runs}")
    patch = min(fitting, key=lambda each: each.size)
    if patch.size > held.patch_limit:
        return Whole(
            f"its patch has {patch.size} bytes, the microcontroller takes {held.patch_limit}"
        )
    return patch
