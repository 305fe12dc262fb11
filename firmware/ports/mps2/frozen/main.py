# The device, on the second serial port.
import machine
import slots

from firmware.device.start import serve

serve(machine.UART(1), "mps2", slots)
