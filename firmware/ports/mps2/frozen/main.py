# The device, on the second serial port.
import machine
import slots

from firmware.device.start import serve

PINS = ["LED0", "LED1", "BUTTON0", "BUTTON1"]
PINS.extend(f"GPIO{number}" for number in range(8))
BUSES = {f"i2c-{number}": (f"SCL{number}", f"SDA{number}") for number in range(4)}

serve(machine.UART(1), "mps2", pins=PINS, buses=BUSES, slots=slots)
