"""Hardware by what you ask of it: GPIO lines, I2C buses, serial ports.

`hal.gpio`, `hal.i2c` and `hal.serial` hold the protocols and values; `hal.linux` and `hal.sim`
implement them and pass one contract suite. Nothing here knows the agent or the cloud.
"""
