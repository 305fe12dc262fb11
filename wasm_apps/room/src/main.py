"""Publishes the temperature that a TMP105 or LM75 feels."""

import time

from machine import I2C

import skerry

probe = I2C("probe")  # a grant of app.toml, never a bus
while True:
    high, low = probe.readfrom_mem(0x48, 0, 2)
    skerry.telemetry.publish("room", high - 2 * (high & 0x80) + low / 256, "Cel")
    time.sleep(skerry.twin["interval"])
