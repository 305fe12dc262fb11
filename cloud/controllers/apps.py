"""The App controller: keeps an AppInstance on every node that an App selects.

Rules: an artifact is resolved once for each generation of an App and then pinned by digest; while
spec and artifact do not fit each other, nothing on nodes is touched.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

from msgspec import structs

from cloud.clock import Clock
from cloud.controllers.desired import Resolved, SpecError, desired_app
from cloud.controllers.loop import WORKERS, Key, WorkQueue, follow, running, work
from cloud.controllers.rollout import Plan, plan_rollout
from cloud.controllers.summary import unusable
from cloud.errors import AlreadyExists, Conflict, NotFound
from cloud.kinds.app import App, AppStatus
from cloud.kinds.appinstance import AppInstance
from cloud.kinds.meta import DEFAULT_NAMESPACE, LABEL_APP, O
from cloud.kinds.node import Node, is_ready
from cloud.kinds.secret import Secret
from cloud.registry.errors import ArtifactError, ArtifactNotFoundError, RegistryError
from cloud.store.objects import Objects, Preconditions, Query
from cloud.store.selectors import label_equals
from cloud.store.watch import Event, EventType
from cloud.vault import names_in

ARTIFACT_RETRY = 5.0
"""Seconds until a missing or bad artifact is looked for again: it may be pushed after the App."""

_ONLY_DEFAULT = (
    f"metadata.namespace: only Apps in {DEFAULT_NAMESPACE} are carried to nodes, "
    "because on a node an app has one name; create it there"
)


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
    controller = AppController(objects, artifacts, clock)
    queue = controller.queue
    workers = [work(queue, controller.reconcile) for _ in range(WORKERS)]
    try:
        async with running(*controller.feeds(), *workers):
            yield
    finally:
        queue.close()


class AppController:
    """Feeds keys of Apps into `queue` and reconciles them. Concurrency: one event loop."""

    def __init__(self, objects: Objects, artifacts: Artifacts, clock: Clock) -> None:
        self.queue = WorkQueue()
        self._objects = objects
        self._artifacts = artifacts
        self._clock = clock
        self._apps: set[Key] = set()
        self._nodes: dict[str, object] = {}
        """What matters of each node, so that a heartbeat wakes nobody."""

    def feeds(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Loops that watch."""
        yield follow(self._objects, App, self._on_app, self._apps.clear)
        yield follow(self._objects, AppInstance, self._on_instance)
        yield follow(self._objects, Node, self._on_node, self._nodes.clear)
        yield follow(self._objects, Secret, self._on_secret)

    async def reconcile(self, key: Key) -> float | None:
        """One look at one App."""
        owned = Query(namespace=key.namespace, labels=label_equals(LABEL_APP, key.name))
        try:
            app = await self._objects.get(App, key.name, key.namespace)
        except NotFound:
            await self._objects.delete_all(AppInstance, owned)
            return None
        now = self._clock()
        pinned = _pinned(app)
        if key.namespace != DEFAULT_NAMESPACE:
            status = unusable(app, "NamespaceUnsupported", _ONLY_DEFAULT, now)
            await self._write_status(app, status, pinned)
            return None
        try:
            resolved = await self._artifacts.resolve(
                app.spec.artifact.repository, pinned or app.spec.artifact.version
            )
        except (ArtifactError, RegistryError) as error:
            missing = isinstance(error, ArtifactNotFoundError)
            reason = "ArtifactNotFound" if missing else "ArtifactInvalid"
            await self._write_status(app, unusable(app, reason, str(error), now), pinned)
            return ARTIFACT_RETRY
        try:
            desired = desired_app(app.spec, resolved, await self._secrets(app))
        except SpecError as error:
            status = unusable(app, error.reason, error.message, now)
            await self._write_status(app, status, resolved.digest)
            return None
        nodes = (await self._objects.list(Node)).items
        instances = (await self._objects.list(AppInstance, owned)).items
        plan = plan_rollout(app, desired, nodes, instances, now)
        await self._write_status(app, plan.status, resolved.digest)
        await self._carry_out(plan)
        return plan.again.total_seconds() if plan.again is not None else None

    async def _secrets(self, app: App) -> dict[str, Secret]:
        """Those that the App's grants name, as far as they are there."""
        found: dict[str, Secret] = {}
        for name in names_in(app.spec.grants):
            with suppress(NotFound):
                found[name] = await self._objects.get(Secret, name, app.metadata.namespace)
        return found

    async def _write_status(self, app: App, status: AppStatus, digest: str) -> None:
        """Store the status if the App still has the spec it was made for; raises Conflict."""

        def change(current: App) -> App:
            _require_unchanged(current, app)
            return structs.replace(current, status=structs.replace(status, digest=digest))

        await self._objects.modify(App, app.metadata.name, change, app.metadata.namespace)

    async def _carry_out(self, plan: Plan) -> None:
        """All writes of a plan at once, so that they share commits; then the first error."""
        results = await asyncio.gather(
            *map(self._create, plan.create),
            *map(self._update, plan.update),
            *map(self._delete, plan.delete),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _create(self, instance: AppInstance) -> None:
        try:
            await self._objects.create(instance)
        except AlreadyExists as error:
            raise Conflict(error.message) from error  # the plan was made from an older state

    async def _update(self, instance: AppInstance) -> None:
        """The spec, and only that: the status belongs to the hub and may have moved on."""

        def change(current: AppInstance) -> AppInstance:
            _require_unchanged(current, instance)
            owners = instance.metadata.owner_references
            metadata = structs.replace(current.metadata, owner_references=owners)
            return structs.replace(current, spec=instance.spec, metadata=metadata)

        name, namespace = instance.metadata.name, instance.metadata.namespace
        await self._objects.modify(AppInstance, name, change, namespace)

    async def _delete(self, instance: AppInstance) -> None:
        metadata = instance.metadata
        wanted = Preconditions(uid=metadata.uid)
        try:
            await self._objects.delete(AppInstance, metadata.name, metadata.namespace, wanted)
        except NotFound:
            return

    def _on_app(self, event: Event[App]) -> None:
        key = Key(event.object.metadata.namespace, event.object.metadata.name)
        if event.type is EventType.DELETED:
            self._apps.discard(key)
        else:
            self._apps.add(key)
        self.queue.add(key)

    def _on_instance(self, event: Event[AppInstance]) -> None:
        self.queue.add(Key(event.object.metadata.namespace, event.object.spec.app))

    def _on_secret(self, _: Event[Secret]) -> None:
        for key in self._apps:
            self.queue.add(key)

    def _on_node(self, event: Event[Node]) -> None:
        node = event.object
        name = node.metadata.name
        gone = event.type is EventType.DELETED
        matters = (node.metadata.labels, node.spec.unschedulable, is_ready(node))
        if not gone and self._nodes.get(name) == matters:
            return
        if gone:
            self._nodes.pop(name, None)
        else:
            self._nodes[name] = matters
        for key in self._apps:
            self.queue.add(key)


def _pinned(app: App) -> str:
    """The digest this generation was resolved to before, or nothing."""
    same = app.status.observed_generation == app.metadata.generation
    return app.status.digest if same else ""


def _require_unchanged(current: O, planned: O) -> None:
    now, then = current.metadata, planned.metadata
    if (now.uid, now.generation) != (then.uid, then.generation):
        raise Conflict(f"{now.name} changed while it was looked at")
