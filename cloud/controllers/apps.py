"""The App controller: `carrying`, with an App's Secrets."""

from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

from cloud.clock import Clock
from cloud.controllers.appcraft import APPS
from cloud.controllers.carrying import Controller, running_controller
from cloud.controllers.craft import SpecError
from cloud.controllers.desired import Resolved, desired_app
from cloud.controllers.loop import follow
from cloud.errors import NotFound
from cloud.kinds.app import App
from cloud.kinds.appinstance import AppInstance
from cloud.kinds.secret import Secret
from cloud.store.objects import Objects
from cloud.store.watch import Event
from cloud.vault import names_in


class Artifacts(Protocol):
    """Where apps are found."""

    async def resolve(self, repository: str, reference: str) -> Resolved:
        """The app under a tag or digest; raises CloudError that says what is wrong."""
        ...


@asynccontextmanager
async def app_controller(
    objects: Objects, artifacts: Artifacts, clock: Clock
) -> AsyncGenerator[None]:
    """Run the controller until the context ends."""
    async with running_controller(AppController(objects, artifacts, clock)):
        yield


class AppController(Controller[App, AppInstance]):
    """Concurrency: one event loop."""

    def __init__(self, objects: Objects, artifacts: Artifacts, clock: Clock) -> None:
        super().__init__(APPS, objects, clock)
        self._artifacts = artifacts

    def feeds(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Loops that watch: a Secret may be written after the App that names it."""
        yield from super().feeds()
        yield follow(self._objects, Secret, self._on_secret)

    async def desire(self, work: App, reference: str) -> tuple[str, Any]:
        """As `Controller` says."""
        resolved = await self._artifacts.resolve(work.spec.artifact.repository, reference)
        try:
            return resolved.digest, desired_app(work.spec, resolved, await self._secrets(work))
        except SpecError as error:
            error.digest = resolved.digest
            raise

    async def _secrets(self, app: App) -> dict[str, Secret]:
        """Those that the App's grants name, as far as they are there."""
        found: dict[str, Secret] = {}
        for name in names_in(app.spec.grants):
            with suppress(NotFound):
                found[name] = await self._objects.get(Secret, name, app.metadata.namespace)
        return found

    def _on_secret(self, _: Event[Secret]) -> None:
        self.look_again()
