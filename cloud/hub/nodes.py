"""What the API says of nodes: made when they first come, Ready while they are connected."""

import logging
import re

from msgspec import structs

from cloud.clock import Clock
from cloud.errors import AlreadyExists, NotFound
from cloud.kinds.meta import (
    LABEL_KEY,
    LABEL_VALUE,
    LABELS_LIMIT,
    Metadata,
    find_condition,
    set_conditions,
)
from cloud.kinds.node import (
    DUPLICATE,
    READY,
    Node,
    duplicate_condition,
    is_ready,
    ready_condition,
    verifies_condition,
)
from cloud.store.objects import Objects, Query
from edge.wire.messages import Hello

_log = logging.getLogger("skerry.hub")
_LABEL_KEY = re.compile(LABEL_KEY)
_LABEL_VALUE = re.compile(LABEL_VALUE)


class Nodes:
    """Writes Node objects; each method returns after the commit."""

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock

    async def arrived(
        self, hello: Hello, address: str, message: str = "", *, twin: bool = False
    ) -> None:
        """Record that a node is connected, making its object when it is new.

        `twin`: another process with the same identity is alive.
        """
        now = self._clock()

        def change(node: Node) -> Node:
            said = [
                ready_condition(connected=True, message=message),
                verifies_condition(root=hello.root, unsigned=hello.unsigned),
            ]
            if twin or find_condition(node.status.conditions, DUPLICATE) is not None:
                said.append(duplicate_condition(twin=twin, addresses=node.status.addresses))
            status = structs.replace(
                node.status,
                conditions=set_conditions(node.status.conditions, said, now),
                addresses=[address] if address else [],
                agent_version=hello.agent,
                board=hello.board,
                resources=sorted(hello.resources),
                boot_id=hello.boot_id,
                revision=hello.revision,
                last_heartbeat_time=now.replace(microsecond=0),
            )
            return structs.replace(node, status=status)

        try:
            await self._objects.modify(Node, hello.node, change)
        except NotFound:
            await self._create(hello)
            await self._objects.modify(Node, hello.node, change)

    async def left(self, name: str, boot_id: str) -> None:
        """Record that a node is gone, unless another process of it has come meanwhile."""
        now = self._clock()

        def change(node: Node) -> Node:
            if node.status.boot_id != boot_id or not is_ready(node):
                return node
            others = [each for each in node.status.conditions if each.type != READY]
            conditions = set_conditions(
                node.status.conditions, [ready_condition(connected=False), *others], now
            )
            return structs.replace(
                node, status=structs.replace(node.status, conditions=conditions)
            )

        try:
            await self._objects.modify(Node, name, change)
        except NotFound:
            _log.debug("node %s left after it was deleted", name)

    async def holds(self, name: str, revision: int) -> None:
        """Record which desired revision is on a node's disk."""

        def change(node: Node) -> Node:
            return structs.replace(node, status=structs.replace(node.status, revision=revision))

        try:
            await self._objects.modify(Node, name, change)
        except NotFound:
            _log.debug("node %s was deleted while it is connected", name)

    async def ready(self) -> dict[str, str]:
        """Nodes that are said to be connected, with their boot ids."""
        page = await self._objects.list(Node, Query())
        return {node.metadata.name: node.status.boot_id for node in page.items if is_ready(node)}

    async def _create(self, hello: Hello) -> None:
        node = Node(metadata=Metadata(name=hello.node, labels=_labels(hello)))
        try:
            await self._objects.create(node)
        except AlreadyExists:
            _log.debug("node %s was created meanwhile", hello.node)


def _labels(hello: Hello) -> dict[str, str]:
    labels: dict[str, str] = {}
    for key, value in hello.labels.items():
        if len(labels) < LABELS_LIMIT and _LABEL_KEY.match(key) and _LABEL_VALUE.match(value):
            labels[key] = value
        else:
            _log.warning(
                "node %s: label %.80s=%.80s is no label; left out", hello.node, key, value
            )
    return labels
