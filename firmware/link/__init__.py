"""The link between a node and its microcontrollers; the same files run on CPython and MicroPython.

Rules: no I/O, no clock (time is an argument, in milliseconds), no import but of modules that both
have; what is received goes into buffers that were made beforehand; every buffer has a bound.
"""
