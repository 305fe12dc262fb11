# The device, on the second serial port. Ctrl-C on the console stops it: for three minutes, then the
# watchdog starts it again.
import asyncio

import machine

from firmware.device.app import Device

VERSION = "0.1.0"
PINS = ["LED0", "LED1", "BUTTON0", "BUTTON1"]
PINS.extend(f"GPIO{number}" for number in range(8))
BUSES = {f"i2c-{number}": (f"SCL{number}", f"SDA{number}") for number in range(4)}

try:
    device = Device(machine, machine.UART(1), VERSION, "mps2", PINS, BUSES)
    asyncio.run(device.run())
except KeyboardInterrupt:
    machine.WDT(timeout=171_000)
