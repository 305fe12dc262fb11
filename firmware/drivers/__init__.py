"""Drivers of sensors on an I2C bus, for every interpreter.

A driver is given a bus with the reading and writing calls of MicroPython's `machine.I2C`
(`readfrom_mem`, `writeto_mem`) and the address of the chip, and imports nothing that differs between
CPython and MicroPython: the same file runs on a microcontroller, in a sandbox and on a desk.
"""
