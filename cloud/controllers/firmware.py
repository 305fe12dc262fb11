"""The Firmware controller: `carrying`, of images."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from cloud.clock import Clock
from cloud.controllers.carrying import Controller, running_controller
from cloud.controllers.craft import SpecError
from cloud.controllers.firmwarecraft import FIRMWARES, desired_firmware
from cloud.kinds.firmware import Firmware
from cloud.kinds.firmwareinstance import FirmwareInstance
from cloud.registry.artifacts import ResolvedFirmware
from cloud.store.objects import Objects


class Images(Protocol):
    """Where firmware is found."""

    async def firmware(self, repository: str, reference: str) -> ResolvedFirmware:
        """The firmware under a tag or digest; raises CloudError that says what is wrong."""
        ...


@asynccontextmanager
async def firmware_controller(
    objects: Objects, images: Images, clock: Clock
) -> AsyncGenerator[None]:
    """Run the controller until the context ends."""
    async with running_controller(FirmwareController(objects, images, clock)):
        yield


class FirmwareController(Controller[Firmware, FirmwareInstance]):
    """Concurrency: one event loop."""

    def __init__(self, objects: Objects, images: Images, clock: Clock) -> None:
        super().__init__(FIRMWARES, objects, clock)
        self._images = images

    async def desire(self, work: Firmware, reference: str) -> tuple[str, Any]:
        """As `Controller` says."""
        resolved = await self._images.firmware(work.spec.artifact.repository, reference)
        try:
            return resolved.digest, desired_firmware(work.spec, resolved)
        except SpecError as error:
            error.digest = resolved.digest
            raise
