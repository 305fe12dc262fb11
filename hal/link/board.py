"""An attached microcontroller as a board: its pins and buses by `NAME.GPIO4`, `NAME.i2c-0`.

The device forgets what it lent when it loses power; what is open here is opened there again when it
is back, and its configuration is sent when it holds another one. Until then using it is a
DeviceGoneError, and owners keep what they have.
"""

import logging
import math
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from firmware.link.smp import OK, READ, WRITE
from hal.board import not_found
from hal.errors import HalError, ResourceBusyError
from hal.gpio import LineConfig
from hal.i2c import check_address, device_name
from hal.link.answers import CLOSE, GROUP, OPEN, RESOURCES, checked
from hal.link.gpio import McuLine
from hal.link.i2c import McuI2CDevice
from hal.link.line import Answer, SerialLink
from hal.link.link import Happening
from hal.report import PropertyReport
from hal.serial import SerialConfig, SerialPort

_DEVICE_GROUP, _CONFIG = 64, 2
"""firmware/device/app.py."""
NAMES_LIMIT = 128
"""Pins, and buses, that a device may say it has."""
NAME_LIMIT = 64
"""Characters."""
_MS = 1_000_000
_US = 1_000

_log = logging.getLogger(__name__)


class McuBoard:
    """A `hal.board.Board`. Any thread may call; what is told by the link comes on its thread."""

    def __init__(self, link: SerialLink, config: Mapping[str, object] | None = None) -> None:
        """`config`: what the device shall hold, as `firmware.device.config.checked` gives it."""
        self.link = link
        self.changed: Callable[[], None] = lambda: None
        """Called on the link's thread when the device or its resources came or went."""
        self.property_reported: Callable[[PropertyReport], None] = lambda _report: None
        """Likewise, for each report."""
        self._config = config
        self._lock = threading.Lock()
        self._pins: list[str] = []
        self._buses: list[str] = []
        self._lines: dict[str, McuLine] = {}
        self._devices: dict[tuple[str, int], McuI2CDevice] = {}
        self._sampled: dict[str, int] = {}
        """By property, the device's time of the sample that was told last."""
        link.subscribe(self)

    @property
    def name(self) -> str:
        """What people call the device on this node."""
        return self.link.name

    def owns(self, name: str) -> bool:
        """Whether a resource's name is of this device, known or not."""
        return name.startswith(f"{self.name}.")

    def resources(self) -> list[str]:
        """Names that can be granted: what the device said when it was last met."""
        return sorted(f"{self.name}.{each}" for each in [*self._pins, *self._buses])

    def attach(self) -> None:
        """Look for the device from now on; once, and after whoever is to be told has said so."""
        self.link.start()

    def awaits(self, name: str) -> bool:
        """Whether the name may turn out to be there: the device has not been met yet."""
        return self.owns(name) and not self._pins and not self._buses

    def open_line(self, name: str, config: LineConfig) -> McuLine:
        """Request a GPIO line."""
        pin = self._local("GPIO line", name, self._pins)
        with self._lock:
            if pin in self._lines:
                raise ResourceBusyError(f"{name} is already open")
            line = McuLine(name, pin, config, self.link, lambda: self._close_line(pin))
            self._lines[pin] = line
        try:
            self._open(name, line.wish())
        except BaseException:
            line.close()
            raise
        return line

    def open_i2c(self, bus: str, address: int) -> McuI2CDevice:
        """Claim a 7-bit address on a bus."""
        local = self._local("I2C bus", bus, self._buses)
        check_address(bus, address)
        key = local, address
        with self._lock:
            if key in self._devices:
                raise ResourceBusyError(f"{device_name(bus, address)} is already open")
            device = McuI2CDevice(bus, local, address, self.link, lambda: self._close_device(key))
            self._devices[key] = device
        try:
            self._open(device.name, device.wish())
        except BaseException:
            device.close()
            raise
        return device

    def open_serial(self, name: str, config: SerialConfig) -> SerialPort:  # noqa: ARG002
        """A microcontroller's other serial ports are its own."""
        raise not_found("serial port", name, [])

    def close(self) -> None:
        """Let go of the device; may be called twice."""
        self.link.close()

    def _local(self, what: str, name: str, known: list[str]) -> str:
        local = name.removeprefix(f"{self.name}.")
        if local not in known and not self.awaits(name):
            raise not_found(what, name, [f"{self.name}.{each}" for each in known])
        return local

    def _open(self, name: str, wish: dict[str, object]) -> None:
        checked(name, self.link.request(WRITE, GROUP, OPEN, wish), opening=True)

    def _close_line(self, pin: str) -> None:
        self._close({"p": pin})
        with self._lock:
            self._lines.pop(pin, None)

    def _close_device(self, key: tuple[str, int]) -> None:
        self._close({"b": key[0], "a": key[1]})
        with self._lock:
            self._devices.pop(key, None)

    def _close(self, what: dict[str, object]) -> None:
        with suppress(HalError):  # a device that is gone has closed it by itself
            self.link.request(WRITE, GROUP, CLOSE, what)

    # --- told by the link, on its thread -----------------------------------------------------------

    def happened(self, what: Happening) -> None:
        """See `hal.link.link.Listener`."""
        if what is Happening.UP:
            _log.info("%s is there: %s", self.name, self.link.identity)
            self.link.post(READ, GROUP, RESOURCES, {}, self._learn)
            if self._config is None:
                self._restore()
            else:
                self.link.post(READ, _DEVICE_GROUP, _CONFIG, {}, self._compare)
        elif what is Happening.DOWN:
            _log.warning("%s is gone: %s", self.name, self.link.trouble)
        else:
            self._sampled.clear()
            _log.warning("%s restarted", self.name)
        self.changed()

    def reported(self, report: Mapping[object, object]) -> None:
        """See `hal.link.link.Listener`; what has another form is of a newer firmware, or of none."""
        match report:
            case {
                "g": str() as pin,
                "t": int() as now_us,
                "x": list() as found,
                "l": int() as lost,
            }:
                self._edges(pin, now_us, found, lost)
            case {"p": str() as name, "t": int() as ms}:
                self._property(name[:NAME_LIMIT], ms, report)
            case _:
                pass

    def _edges(self, pin: str, now_us: int, found: list[object], lost: int) -> None:
        with self._lock:
            line = self._lines.get(pin)
        numbers = [each for each in found if isinstance(each, int)]
        now_ns = self.link.monotonic_ns(now_us)
        ages, levels = numbers[::2], numbers[1::2]
        if line is not None:
            line.happened(
                [
                    (now_ns - age * _US, level == 1)
                    for age, level in zip(ages, levels, strict=False)
                ],
                max(0, lost),
            )

    def _property(self, name: str, ms: int, report: Mapping[object, object]) -> None:
        if self._sampled.get(name) == ms:
            return  # it tells again what it knows whenever it meets its node
        if len(self._sampled) < NAMES_LIMIT or name in self._sampled:
            self._sampled[name] = ms
        value, error = report.get("v"), str(report.get("e", ""))[:NAME_LIMIT]
        if not isinstance(value, bool | int | float) or not math.isfinite(value):
            value = None
        at = self.link.monotonic_ns(ms * _US)
        self.property_reported(PropertyReport(self.name, name, value, error, at))

    def _learn(self, answer: Answer | Exception) -> None:
        if isinstance(answer, dict) and answer.get("rc", OK) == OK:
            self._pins, self._buses = _names(answer.get("pins")), _names(answer.get("buses"))
        self.changed()

    def _compare(self, answer: Answer | Exception) -> None:
        held = answer.get("c") if isinstance(answer, dict) else None
        if isinstance(answer, Exception) or alike(held, self._config):
            self._restore()
            return
        with suppress(HalError):
            self.link.post(WRITE, _DEVICE_GROUP, _CONFIG, {"c": self._config}, self._configured)

    def _configured(self, answer: Answer | Exception) -> None:
        if isinstance(answer, dict) and answer.get("rc", OK) != OK:
            _log.error("%s does not take its configuration: %s", self.name, answer.get("rsn"))
        elif isinstance(answer, dict):
            _log.info("%s has another configuration now", self.name)
            with suppress(HalError):  # its buses may have other names now
                self.link.post(READ, GROUP, RESOURCES, {}, self._learn)
        self._restore()

    def _restore(self) -> None:
        with self._lock:
            opened: list[McuLine | McuI2CDevice] = [*self._lines.values()]
            opened += self._devices.values()
        for each in opened:
            name = each.name

            def told(answer: Answer | Exception, name: str = name) -> None:
                if isinstance(answer, dict) and answer.get("rc", OK) != OK:
                    _log.error("%s is not open again: %s", name, answer.get("rsn"))

            with suppress(HalError):  # it went away again
                self.link.post(WRITE, GROUP, OPEN, each.wish(), told)


def alike(one: object, other: object) -> bool:
    """Whether two configurations are the same to a device, whose floats have 32 bits."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, float) or isinstance(other, float):
        numbers = isinstance(one, int | float) and isinstance(other, int | float)
        return numbers and math.isclose(one, other, rel_tol=1e-6)  # type: ignore[arg-type]
    return one == other


def _names(told: object) -> list[str]:
    found = told if isinstance(told, list) else []
    texts = [each for each in found if isinstance(each, str) and 0 < len(each) <= NAME_LIMIT]
    return texts[:NAMES_LIMIT]
