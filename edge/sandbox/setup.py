"""What one run of an app is given; nothing else reaches it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.sandbox.services import HostServices
from edge.wire.manifest import AppManifest, Limits
from hal.gpio import Line
from hal.i2c import I2CDevice
from hal.serial import SerialPort


@dataclass(frozen=True, slots=True)
class GpioGrant:
    """A granted line; `open` requests it as the manifest says, when the app asks."""

    open: Callable[[], Line]


@dataclass(frozen=True, slots=True)
class I2CGrant:
    """A granted device on a bus."""

    open: Callable[[], I2CDevice]


@dataclass(frozen=True, slots=True)
class SerialGrant:
    """A granted port; `open` sets it up as the manifest says."""

    open: Callable[[], SerialPort]


HardwareGrant = GpioGrant | I2CGrant | SerialGrant


@dataclass(frozen=True, slots=True)
class GuestSetup:
    """One run: the app, what it may use, and who serves it."""

    manifest: AppManifest
    services: HostServices
    data_dir: Path
    """Its `/data`; the directory exists, on the same file system throughout."""
    limits: Limits
    """The ones in force, which an operator may have changed from the manifest's."""
    grants: Mapping[str, HardwareGrant] = field(default_factory=dict[str, HardwareGrant])
    """By the manifest's grant name; an optional grant may be missing."""
    secrets: Mapping[str, Callable[[], bytes]] = field(
        default_factory=dict[str, Callable[[], bytes]]
    )
    """By the manifest's grant name: opens the secret; called on the app's thread."""
    files: Mapping[str, bytes] | None = None
    """Its `/app`, by names with slashes; None for an app that is a module and nothing else."""

    @property
    def name(self) -> str:
        """The app's name."""
        return self.manifest.name
