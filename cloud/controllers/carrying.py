"""The controller of one kind of work: keeps an instance on every node that its objects select.

Rules: an artifact is resolved once for each generation of an object and then pinned by digest; while
spec and artifact do not fit each other, nothing on nodes is touched.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, Generic

from msgspec import structs

from cloud.clock import Clock
from cloud.controllers.craft import Craft, N, SpecError, W
from cloud.controllers.loop import WORKERS, Key, WorkQueue, follow, running, work
from cloud.controllers.rollout import Change, Plan, plan_rollout
from cloud.controllers.summary import unusable
from cloud.errors import AlreadyExists, Conflict, NotFound
from cloud.kinds.meta import DEFAULT_NAMESPACE, O
from cloud.kinds.node import Node, is_ready
from cloud.kinds.work import Work, WorkStatus
from cloud.registry.errors import ArtifactError, ArtifactNotFoundError, RegistryError
from cloud.store.objects import Objects, Preconditions, Query
from cloud.store.selectors import label_equals
from cloud.store.watch import Event, EventType

ARTIFACT_RETRY = 5.0
"""Seconds until a missing or bad artifact is looked for again: it may be pushed after the object."""


@asynccontextmanager
async def running_controller(controller: "Controller[Any, Any]") -> AsyncGenerator[None]:
    """Run it until the context ends."""
    queue = controller.queue
    workers = [work(queue, controller.reconcile) for _ in range(WORKERS)]
    try:
        async with running(*controller.feeds(), *workers):
            yield
    finally:
        queue.close()


class Controller(ABC, Generic[W, N]):
    """Feeds keys of objects into `queue` and reconciles them. Concurrency: one event loop."""

    def __init__(self, craft: Craft[W, N], objects: Objects, clock: Clock) -> None:
        self.queue = WorkQueue()
        self._craft = craft
        self._objects = objects
        self._clock = clock
        self._keys: set[Key] = set()
        self._nodes: dict[str, object] = {}
        """What matters of each node, so that a heartbeat wakes nobody."""

    @abstractmethod
    async def desire(self, work: W, reference: str) -> tuple[str, Any]:
        """Digest of the artifact under a tag or digest, and what each node shall have of it.

        Raises ArtifactError, RegistryError; SpecError, with `digest` set, when they do not fit.
        """

    def feeds(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Loops that watch."""
        yield follow(self._objects, self._craft.work, self._on_work, self._keys.clear)
        yield follow(self._objects, self._craft.instance, self._on_instance)
        yield follow(self._objects, Node, self._on_node, self._nodes.clear)

    async def reconcile(self, key: Key) -> float | None:
        """One look at one object."""
        craft = self._craft
        owned = Query(namespace=key.namespace, labels=label_equals(craft.label, key.name))
        try:
            work = await self._objects.get(craft.work, key.name, key.namespace)
        except NotFound:
            await self._objects.delete_all(craft.instance, owned)
            return None
        now = self._clock()
        pinned = _pinned(work)
        if key.namespace != DEFAULT_NAMESPACE:
            status = unusable(work, "NamespaceUnsupported", _only_default(work), now)
            await self._write_status(work, status, pinned)
            return None
        try:
            digest, desired = await self.desire(work, pinned or work.spec.artifact.version)
        except (ArtifactError, RegistryError) as error:
            missing = isinstance(error, ArtifactNotFoundError)
            reason = "ArtifactNotFound" if missing else "ArtifactInvalid"
            await self._write_status(work, unusable(work, reason, str(error), now), pinned)
            return ARTIFACT_RETRY
        except SpecError as error:
            status = unusable(work, error.reason, error.message, now)
            await self._write_status(work, status, error.digest)
            return None
        nodes = (await self._objects.list(Node)).items
        instances = (await self._objects.list(craft.instance, owned)).items
        plan = plan_rollout(Change(craft, work, desired), nodes, instances, now)
        await self._write_status(work, plan.status, digest)
        await self._carry_out(plan)
        return plan.again.total_seconds() if plan.again is not None else None

    async def _write_status(self, work: W, status: WorkStatus, digest: str) -> None:
        """Store the status if the object still has the spec it was made for; raises Conflict."""

        def change(current: W) -> W:
            _require_unchanged(current, work)
            return structs.replace(current, status=structs.replace(status, digest=digest))

        metadata = work.metadata
        await self._objects.modify(self._craft.work, metadata.name, change, metadata.namespace)

    async def _carry_out(self, plan: Plan[N]) -> None:
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

    async def _create(self, instance: N) -> None:
        try:
            await self._objects.create(instance)
        except AlreadyExists as error:
            raise Conflict(error.message) from error  # the plan was made from an older state

    async def _update(self, instance: N) -> None:
        """The spec, and only that: the status belongs to the hub and may have moved on."""

        def change(current: N) -> N:
            _require_unchanged(current, instance)
            owners = instance.metadata.owner_references
            metadata = structs.replace(current.metadata, owner_references=owners)
            return structs.replace(current, spec=instance.spec, metadata=metadata)

        name, namespace = instance.metadata.name, instance.metadata.namespace
        await self._objects.modify(self._craft.instance, name, change, namespace)

    async def _delete(self, instance: N) -> None:
        metadata = instance.metadata
        wanted = Preconditions(uid=metadata.uid)
        try:
            kind = self._craft.instance
            await self._objects.delete(kind, metadata.name, metadata.namespace, wanted)
        except NotFound:
            return

    def _on_work(self, event: Event[W]) -> None:
        key = Key(event.object.metadata.namespace, event.object.metadata.name)
        if event.type is EventType.DELETED:
            self._keys.discard(key)
        else:
            self._keys.add(key)
        self.queue.add(key)

    def _on_instance(self, event: Event[N]) -> None:
        self.queue.add(Key(event.object.metadata.namespace, event.object.spec.owner))

    def _on_node(self, event: Event[Node]) -> None:
        node = event.object
        name = node.metadata.name
        gone = event.type is EventType.DELETED
        own = self._craft.matters(node)
        matters = (node.metadata.labels, node.spec.unschedulable, is_ready(node), own)
        if not gone and self._nodes.get(name) == matters:
            return
        if gone:
            self._nodes.pop(name, None)
        else:
            self._nodes[name] = matters
        self.look_again()

    def look_again(self) -> None:
        """Something that may concern every object has changed."""
        for key in self._keys:
            self.queue.add(key)


def _pinned(work: Work) -> str:
    """The digest this generation was resolved to before, or nothing."""
    same = work.status.observed_generation == work.metadata.generation
    return work.status.digest if same else ""


def _only_default(work: Work) -> str:
    return (
        f"metadata.namespace: only what is in {DEFAULT_NAMESPACE} is carried to nodes, because there "
        f"a {work.kind} has one name; create it in that namespace"
    )


def _require_unchanged(current: O, planned: O) -> None:
    now, then = current.metadata, planned.metadata
    if (now.uid, now.generation) != (then.uid, then.generation):
        raise Conflict(f"{now.name} changed while it was looked at")
