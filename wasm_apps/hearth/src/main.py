"""Keeps a room at the set-point. The heater is off whenever the temperature is not known."""

import struct
import time

from machine import I2C, Pin

import skerry

TRIES = 3  # failures in a row before the heater goes off
WORTH_REPORTING = 0.1  # degrees
SILENCE = 60.0  # seconds; a report is sent at least this often
SETTINGS = ("setpoint", "hysteresis", "min-on", "min-off", "interval")


class Room:
    """Two-point control with hysteresis and shortest times."""

    def __init__(self) -> None:
        self.heater = Pin("heater")
        self.probe = I2C("probe")
        self.failures = TRIES  # in a row; the probe is not set up yet
        self.told = False
        self.reported = self.silent = 1000.0
        self.on = False
        self.held = 0.0  # seconds; nobody knows what was before: min-off counts anew
        self.looked = time.ticks_ms()

    def switch(self, *, on: bool) -> None:
        """Put it on the pin, and tell the cloud."""
        if on != self.on:
            self.on, self.held = on, 0.0
        self.heater.value(on)
        skerry.telemetry.publish("heater", on)

    def sample(self) -> None:
        """Measure, report and decide."""
        now = time.ticks_ms()
        passed = time.ticks_diff(now, self.looked) / 1000
        self.held += passed
        self.silent += passed
        self.looked = now
        try:
            celsius = self.measured()
        except OSError as fault:
            self.failures += 1
            if self.failures >= TRIES and not self.told:
                self.told = True
                skerry.log.error("no temperature, heater off: %s", fault)
                self.switch(on=False)
            return
        if self.told:
            skerry.log.info("temperature is known again")
        self.failures, self.told = 0, False
        self.report(celsius)
        self.control(celsius)

    def measured(self) -> float:
        """Degrees; OSError when the probe does not answer."""
        if self.failures:
            self.probe.writeto_mem(0x48, 1, b"\x60")  # twelve bits
        raw: int = struct.unpack(">h", self.probe.readfrom_mem(0x48, 0, 2))[0]
        return raw / 256

    def report(self, celsius: float) -> None:
        """Tell what has changed, and once a minute what has not."""
        if abs(celsius - self.reported) >= WORTH_REPORTING or self.silent >= SILENCE:
            skerry.telemetry.publish("temperature", celsius)
            self.reported, self.silent = celsius, 0.0

    def control(self, celsius: float) -> None:
        """Switch when it left the band, and was held for long enough."""
        setpoint, half = skerry.twin["setpoint"], skerry.twin["hysteresis"] / 2
        wrong = celsius >= setpoint + half if self.on else celsius <= setpoint - half
        if wrong and self.held >= skerry.twin["min-on" if self.on else "min-off"]:
            self.switch(on=not self.on)
            text = "heater %s at %.2f, set-point %.2f"
            skerry.log.info(text, "on" if self.on else "off", celsius, setpoint)


def confirm() -> None:
    """Tell the cloud which settings are in force."""
    for name in SETTINGS:
        skerry.twin.report(name, skerry.twin[name])


room = Room()
room.switch(on=False)
confirm()
try:
    while True:
        room.sample()
        event = skerry.wait(int(skerry.twin["interval"] * 1000))
        if event is not None and event.type == skerry.STOP:
            break
        if event is not None:
            confirm()
finally:
    room.switch(on=False)
