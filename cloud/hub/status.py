"""What a node says about its apps, written to the AppInstances.

An item that cannot be understood, or is about an instance or generation that is no more, is left
out and never holds up the others.
"""

import asyncio
import logging
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from cloud.clock import Clock
from cloud.errors import NotFound
from cloud.kinds.appinstance import AppInstance, instance_name, observed
from cloud.kinds.node import Node, NodeBoot
from cloud.store.objects import Objects
from edge.wire.codec import decode_app_status, decode_boot_status
from edge.wire.errors import PeerError
from edge.wire.messages import AppStatus, StatusItem

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEWEST_NS = int((datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()) * 10**9
_INTEGERS = range(-(1 << 63), 1 << 63)
_log = logging.getLogger("skerry.hub")


async def store_status(
    objects: Objects, node: str, items: Sequence[StatusItem], clock: Clock
) -> None:
    """Write the statuses; returns once they are on disk."""
    await asyncio.gather(
        *(_store_item(objects, node, item, clock()) for item in items if item.kind == "app"),
        *(_store_boot(objects, node, item) for item in items if item.kind == "boot"),
    )


async def _store_item(objects: Objects, node: str, item: StatusItem, now: datetime) -> None:
    try:
        said = decode_app_status(item.status)
        _check(said)
    except (PeerError, ValueError) as error:
        _log.warning("node %s: status of %s left out: %s", node, item.name, error)
        return
    since = _EPOCH + timedelta(microseconds=min(max(said.since_ns, 0), _NEWEST_NS) // 1000)

    def change(instance: AppInstance) -> AppInstance:
        newest = instance.metadata.generation
        if not instance.status.observed_generation <= item.generation <= newest:
            return instance
        return observed(instance, said, item.generation, since, now)

    try:
        await objects.modify(AppInstance, instance_name(item.name, node), change)
    except NotFound:
        _log.debug("node %s: %s is not wanted any more", node, item.name)


async def _store_boot(objects: Objects, node: str, item: StatusItem) -> None:
    try:
        said = decode_boot_status(item.status)
    except PeerError as error:
        _log.warning("node %s: status of its boot left out: %s", node, error)
        return
    times = (said.agent_seconds, said.app_seconds or 0.0)
    if not all(map(math.isfinite, times)):
        _log.warning("node %s: status of its boot left out: no finite number of seconds", node)
        return
    boot = NodeBoot(
        id=said.id,
        slot=said.slot,
        agent_seconds=round(said.agent_seconds, 1),
        first_app_seconds=None if said.app_seconds is None else round(said.app_seconds, 1),
    )

    def change(found: Node) -> Node:
        return replace(found, status=replace(found.status, boot=boot))

    try:
        await objects.modify(Node, node, change)
    except NotFound:
        _log.debug("node %s was deleted while it is connected", node)


def _check(said: AppStatus) -> None:
    """What CBOR can say and the API's JSON cannot; ValueError names the field."""
    for name, value in {"exit_code": said.exit_code or 0, **said.twin}.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name}: is not a finite number")
        if isinstance(value, int) and value not in _INTEGERS:
            raise ValueError(f"{name}: is an integer of more than 64 bits")
