"""How a running microcontroller is led to its boot loader: MicroPython's raw prompt, or 1200 baud.

The prompt first: any MicroPython has it on its console. What has none, or does not listen, may still know
that a port which is opened at 1200 baud and closed means the boot loader, as Arduino began it.
"""

import os
import select
import termios
import time
from contextlib import suppress
from pathlib import Path

from boards.errors import TargetRefusedError

PROMPT = b"raw REPL; CTRL-B to exit\r\n>"
INTERRUPT = b"\r\x03\x03\r\x01"
"""End what runs, twice for what catches it once, and ask for the raw prompt."""
LEAVE = b"import machine; machine.bootloader()\x04"
TRIES = 3
PATIENCE = 2.0
"""Seconds for a prompt; a second and a half is what a busy device took to be interrupted in emulation."""
HEARD_LIMIT = 4096
"""Bytes looked at for the prompt: a device that talks without end has none."""
_TOUCH = termios.B1200
_USUAL = termios.B115200


def to_bootloader(port: Path) -> str:
    """Lead it there, and say how; raises TargetRefusedError when the port cannot be used."""
    try:
        place = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as fault:
        raise TargetRefusedError(f"{port}: {fault.strerror}") from fault
    try:
        _raw(place, _USUAL)
        for _ in range(TRIES):
            if _has_prompt(place):
                _send(place, LEAVE)
                return "MicroPython's prompt"
        _raw(place, _TOUCH)
    except termios.error as fault:
        raise TargetRefusedError(f"{port}: no serial port: {fault.args[1]}") from fault
    except OSError as fault:
        raise TargetRefusedError(f"{port}: {fault.strerror}; is it still plugged in?") from fault
    finally:
        with suppress(OSError):
            os.close(place)
    return "1200 baud"


def _raw(place: int, speed: int) -> None:
    settings = termios.tcgetattr(place)
    flags = (
        termios.CS8 | termios.CREAD | termios.CLOCAL | termios.HUPCL
    )  # DTR falls when it closes
    termios.tcsetattr(place, termios.TCSANOW, [0, 0, flags, 0, speed, speed, settings[6]])


def _has_prompt(place: int) -> bool:
    _send(place, INTERRUPT)
    heard = b""
    deadline = time.monotonic() + PATIENCE
    while len(heard) < HEARD_LIMIT:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([place], [], [], left)[0]:
            return False
        heard += os.read(place, 256)
        if PROMPT in heard:
            return True
    return False


def _send(place: int, data: bytes) -> None:
    while data:
        if not select.select([], [place], [], PATIENCE)[1]:
            return  # it does not listen
        data = data[os.write(place, data) :]
