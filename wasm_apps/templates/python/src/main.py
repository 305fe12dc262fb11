"""Counts presses of a button and switches a lamp."""

from machine import Pin

import skerry

button, lamp = Pin("button"), Pin("lamp")  # grants of app.toml, never pins
presses = 0
while (event := skerry.wait()).type != skerry.STOP:
    if event.source is button and skerry.twin["enabled"]:
        presses += 1
        lamp.toggle()
        skerry.telemetry.publish("presses", presses)
