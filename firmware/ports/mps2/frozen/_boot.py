# Runs before anything else.
from mps2 import Flash

from firmware.device.start import mount

mount(Flash())
