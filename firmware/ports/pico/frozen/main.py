# The device, on the second of the two serial ports that a computer sees.
import usblink

from firmware.device.start import serve

serve(usblink.Line(), "pico")
