"""The modules a guest can import: this list is the whole surface (docs/guest-abi.md)."""

from edge.sandbox.binding import HostModule
from edge.sandbox.host import event, gpio, i2c, kv, log, secret, serial, telemetry, twin
from edge.sandbox.wasi.table import MODULE as WASI

MODULES: tuple[HostModule, ...] = (
    WASI,
    event.MODULE,
    gpio.MODULE,
    i2c.MODULE,
    serial.MODULE,
    kv.MODULE,
    secret.MODULE,
    telemetry.MODULE,
    twin.MODULE,
    log.MODULE,
)
