# The device, on the second serial port.
import machine

from firmware.device.start import serve

serve(machine.UART(1), "mps2")
