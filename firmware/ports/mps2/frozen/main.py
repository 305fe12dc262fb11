# The device, on the second serial port. Ctrl-C on the console stops it: for three minutes, then the
# watchdog starts it again.
import asyncio

import machine

from firmware.device.app import Device

VERSION = "0.1.0"

try:
    asyncio.run(Device(machine, machine.UART(1), VERSION, "mps2").run())
except KeyboardInterrupt:
    machine.WDT(timeout=171_000)
