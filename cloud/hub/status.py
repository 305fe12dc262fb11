"""What a node says about its apps, written to the AppInstances.

An item that cannot be understood, or is about an instance or generation that is no more, is left
out and never holds up the others.
"""

import asyncio
import logging
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cloud.clock import Clock
from cloud.errors import NotFound
from cloud.kinds.appinstance import AppInstance, instance_name, observed
from cloud.store.objects import Objects
from edge.wire.codec import decode_app_status
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
        *(_store_item(objects, node, item, clock()) for item in items if item.kind == "app")
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


def _check(said: AppStatus) -> None:
    """What CBOR can say and the API's JSON cannot; ValueError names the field."""
    for name, value in {"exit_code": said.exit_code or 0, **said.twin}.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name}: is not a finite number")
        if isinstance(value, int) and value not in _INTEGERS:
            raise ValueError(f"{name}: is an integer of more than 64 bits")
