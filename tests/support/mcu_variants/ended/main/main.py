# Has no line to read from, which ends its program.
import slots

from firmware.device.start import serve

serve(None, "mps2", slots=slots)
