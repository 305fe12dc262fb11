# The device, on the second of the two serial ports that a computer sees.
import slots
import usblink

from firmware.device.start import serve

PINS = ["LED", "GP26", "GP27", "GP28"]
PINS.extend(f"GP{number}" for number in range(23))
BUSES = {"i2c-0": ("GP5", "GP4"), "i2c-1": ("GP7", "GP6")}

serve(usblink.Line(), "pico", pins=PINS, buses=BUSES, slots=slots)
