# Its device cannot even be made.
import slots

from firmware.device import start


def broken(*_):
    raise RuntimeError("nothing works")


start.Device = broken
start.serve(None, "mps2", slots=slots)
