"""What a node says about its apps and firmware, written to their instances; of itself, to the Node.

An item that cannot be understood, or is about an instance or generation that is no more, is left
out and never holds up the others.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from msgspec.structs import replace

from cloud.clock import Clock
from cloud.errors import NotFound
from cloud.kinds import appinstance, firmwareinstance
from cloud.kinds.appinstance import AppInstance
from cloud.kinds.firmwareinstance import FirmwareInstance
from cloud.kinds.node import Microcontroller, Node, NodeBoot, NodeStatus
from cloud.kinds.work import Instance, instance_name
from cloud.store.objects import Objects
from edge.wire.codec import (
    decode_app_status,
    decode_attached,
    decode_boot_status,
    decode_firmware_status,
)
from edge.wire.errors import PeerError
from edge.wire.messages import AppStatus, StatusItem

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEWEST_NS = int((datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()) * 10**9
_INTEGERS = range(-(1 << 63), 1 << 63)
_log = logging.getLogger("skerry.hub")
N = TypeVar("N", bound=Instance)


async def store_status(
    objects: Objects, node: str, items: Sequence[StatusItem], clock: Clock
) -> None:
    """Write the statuses; returns once they are on disk."""
    await asyncio.gather(
        *(
            _STORES[item.kind](objects, node, item, clock())
            for item in items
            if item.kind in _STORES
        ),
    )


async def _store_app(objects: Objects, node: str, item: StatusItem, now: datetime) -> None:
    try:
        said = decode_app_status(item.status)
        _check(said)
    except (PeerError, ValueError) as error:
        _log.warning("node %s: status of %s left out: %s", node, item.name, error)
        return
    since = _moment(said.since_ns)
    await _observe(
        *(objects, node, item, AppInstance),
        lambda each: appinstance.observed(each, said, item.generation, since, now),
    )


async def _store_firmware(objects: Objects, node: str, item: StatusItem, now: datetime) -> None:
    try:
        said = decode_firmware_status(item.status)
    except PeerError as error:
        _log.warning("node %s: status of firmware %s left out: %s", node, item.name, error)
        return
    since = _moment(said.since_ns)
    await _observe(
        *(objects, node, item, FirmwareInstance),
        lambda each: firmwareinstance.observed(each, said, item.generation, since, now),
    )


async def _observe(
    objects: Objects, node: str, item: StatusItem, kind: type[N], observed: Callable[[N], N]
) -> None:
    """Write what was said of an instance, if there is one that it is about."""

    def change(instance: N) -> N:
        return observed(instance) if _is_of_interest(instance, item) else instance

    try:
        await objects.modify(kind, instance_name(item.name, node), change)
    except NotFound:
        _log.debug("node %s: %s %s is not wanted any more", node, item.kind, item.name)


def _is_of_interest(instance: Instance, item: StatusItem) -> bool:
    """Whether it is about the newest spec that the node has spoken of, or a newer one."""
    newest = instance.metadata.generation
    return instance.status.observed_generation <= item.generation <= newest


async def _store_attached(objects: Objects, node: str, item: StatusItem, _now: datetime) -> None:
    try:
        said = decode_attached(item.status)
    except PeerError as error:
        _log.warning("node %s: its microcontrollers left out: %s", node, error)
        return
    chips = [
        Microcontroller(
            name=each.name,
            id=each.id,
            board=each.board,
            version=each.version,
            slot=each.slot,
            connected=each.connected,
            since=_moment(each.since_ns) if each.since_ns else None,
            last_rollback=each.rollback,
        )
        for each in sorted(said.microcontrollers, key=lambda each: each.name)
    ]
    await _say(objects, node, lambda status: replace(status, microcontrollers=chips))


async def _store_boot(objects: Objects, node: str, item: StatusItem, _now: datetime) -> None:
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

    await _say(objects, node, lambda status: replace(status, boot=boot))


async def _say(objects: Objects, node: str, change: Callable[[NodeStatus], NodeStatus]) -> None:
    """Change the status of a node's own object."""
    try:
        await objects.modify(Node, node, lambda found: replace(found, status=change(found.status)))
    except NotFound:
        _log.debug("node %s was deleted while it is connected", node)


def _moment(since_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=min(max(since_ns, 0), _NEWEST_NS) // 1000)


def _check(said: AppStatus) -> None:
    """What CBOR can say and the API's JSON cannot; ValueError names the field."""
    for name, value in {"exit_code": said.exit_code or 0, **said.twin}.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name}: is not a finite number")
        if isinstance(value, int) and value not in _INTEGERS:
            raise ValueError(f"{name}: is an integer of more than 64 bits")


_Store = Callable[[Objects, str, StatusItem, datetime], Awaitable[None]]
_STORES: Mapping[str, _Store] = {
    "app": _store_app,
    "firmware": _store_firmware,
    "microcontrollers": _store_attached,
    "boot": _store_boot,
}
"""By the kind of what is said; of other kinds a newer node may speak."""
