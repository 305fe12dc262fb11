# Runs before anything else. Flash is programmed 256 bytes at a time.
from rp2 import Flash

from firmware.device.start import mount

mount(Flash(), progsize=256)
