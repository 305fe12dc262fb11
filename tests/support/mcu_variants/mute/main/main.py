# Listens on a port that leads nowhere.
import machine
import slots

from firmware.device.start import serve

serve(machine.UART(2), "mps2", slots=slots)
