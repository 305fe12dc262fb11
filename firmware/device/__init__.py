"""The application of a microcontroller: properties that a node configures, reads and writes.

Runs on MicroPython 1.25. What is pure (`config`, `log`) runs on CPython too, where its tests are.
"""
