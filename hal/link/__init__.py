"""Microcontrollers on serial lines: their pins and buses as a board's own, their reports, events.

The only part of `hal` that knows `firmware`. `line` owns a port and its session, `board` shows what
hangs off it by the Protocols of `hal`, `find` looks for the port; `image` reads firmware, `upload`
updates a device with it.
"""
