"""Device models by the name that board files use."""

from collections.abc import Callable

from hal.errors import DriveError
from hal.sim.bme280 import Bme280
from hal.sim.device import SimDevice
from hal.sim.tmp105 import Lm75, Tmp105

MODELS: dict[str, Callable[[Callable[[], float]], SimDevice]] = {
    "bme280": Bme280,
    "lm75": Lm75,
    "tmp105": Tmp105,
}


def make_device(model: str, now: Callable[[], float]) -> SimDevice:
    """A new device of that model; DriveError naming the known models."""
    make = MODELS.get(model)
    if make is None:
        raise DriveError(f"no model {model!r}; there are: {', '.join(sorted(MODELS))}")
    return make(now)
