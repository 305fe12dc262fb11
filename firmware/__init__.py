"""Firmware of the microcontrollers wired to a node."""
