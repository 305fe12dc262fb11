"""What runs first on every port: the file system, then the device."""

import asyncio
import sys

import machine
import vfs

from firmware.device.app import Device
from firmware.device.patches import Patches
from firmware.device.update import Update

VERSION = "0.1.0"
"""Of the firmware; `skerry firmware build` reads it here, and an update says its own."""
REST_MS = 171_000
"""How long a person at the console may keep the device stopped: what `mps2`'s watchdog can count."""
_BLANK = (0x00, 0xFF)
_LOOKED_AT = 512
"""Bytes."""


def mount(flash, **how):
    """Mount the file system at /.

    Only blank flash is formatted; what is there and cannot be read is left for somebody who wants it
    back.
    """
    try:
        vfs.mount(vfs.VfsLfs2(flash, **how), "/")
    except OSError:
        first = bytearray(_LOOKED_AT)
        flash.readblocks(0, first)
        if first[0] in _BLANK and bytes(first) == bytes([first[0]]) * _LOOKED_AT:
            vfs.VfsLfs2.mkfs(flash, **how)
            vfs.mount(vfs.VfsLfs2(flash, **how), "/")
        else:
            print("the file system in flash is damaged, and left as it is")


def serve(line, name, *, pins=(), buses=None, slots=None):
    """Be the device on `line`, a stream. Ctrl-C on the console stops it for `REST_MS`.

    `pins`, `buses`: as `Device` has them. `slots`: the port's module of that name, where a bootloader starts images.
    """
    update = Update(slots, name) if slots else None
    if update:
        Patches(update, slots)
    version = update.version if update else VERSION
    try:
        asyncio.run(Device(machine, line, version, name, pins, buses, update).run())
    except KeyboardInterrupt:
        _rest()
    except Exception as error:
        if update is None or not update.ended():
            raise
        sys.print_exception(error)
        machine.reset()


def _rest():
    """Leave the prompt to a person; then the watchdog, which nothing stops, starts the device again."""
    try:
        machine.WDT(timeout=REST_MS)
    except ValueError:  # it counts to eight seconds here: something else feeds it until then
        dog = machine.WDT(timeout=8_000)
        left = REST_MS // 2_000

        def feed(timer):
            nonlocal left
            left -= 1
            dog.feed() if left > 0 else timer.deinit()

        machine.Timer(period=2_000, callback=feed)
