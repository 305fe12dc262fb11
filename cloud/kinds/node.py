"""Node: a board that runs the agent. The hub creates it when the board first says Hello."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import field

from cloud.kinds.columns import age
from cloud.kinds.meta import (
    Condition,
    Metadata,
    Model,
    Object,
    Text,
    Truth,
    find_condition,
)
from cloud.kinds.scheme import Column, Kind

READY = "Ready"
DUPLICATE = "DuplicateIdentity"
VERIFIES = "VerifiesApps"
"""Whether the node runs only what somebody signed whom its root of trust names."""


class NodeSpec(Model, frozen=True, kw_only=True):
    """What the operator wants of a node."""

    unschedulable: bool = False
    """No new App comes here; what runs stays."""


class NodeBoot(Model, frozen=True, kw_only=True):
    """How the node's board started last; seconds since its kernel did, firmware not counted."""

    id: str = ""
    slot: str = ""
    """Which of its two systems runs."""
    agent_seconds: float = 0
    first_app_seconds: float | None = None
    """Absent until an app has run."""


class Microcontroller(Model, frozen=True, kw_only=True):
    """One that is attached to the node, or was since its agent started."""

    name: str
    """The node's name for it."""
    id: str = ""
    board: str = ""
    version: str = ""
    """Of the firmware it runs."""
    slot: str = ""
    connected: bool = False
    since: datetime | None = None
    """When it became connected, or was lost, by the node's clock."""
    last_rollback: str = ""
    """Why it went back to an older image; empty when it did not."""


class NodeStatus(Model, frozen=True, kw_only=True):
    """What the hub knows of a node."""

    conditions: list[Condition] = field(default_factory=list[Condition])
    addresses: list[str] = field(default_factory=list[str])
    agent_version: str = ""
    board: str = ""
    resources: list[str] = field(default_factory=list[str])
    """What can be granted on it."""
    boot_id: str = field(default="", name="bootID")
    boot: NodeBoot | None = None
    """Absent for nodes that run no image of ours."""
    microcontrollers: list[Microcontroller] = field(default_factory=list[Microcontroller])
    revision: int = 0
    """Desired revision it has on its disk."""
    last_heartbeat_time: datetime | None = None


class Node(Object, frozen=True, kw_only=True):
    """A board that runs the agent."""

    kind: Literal["Node"] = "Node"
    metadata: Metadata
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


def is_ready(node: Node) -> bool:
    """Connected, as far as the hub knows."""
    ready = find_condition(node.status.conditions, READY)
    return ready is not None and ready.status is Truth.TRUE


def ready_condition(*, connected: bool, message: Text = "") -> Condition:
    """The condition the hub sets; give it to `set_conditions` with the time."""
    if connected:
        return Condition(
            type=READY, status=Truth.TRUE, reason="Connected", message=message or "connected"
        )
    return Condition(
        type=READY,
        status=Truth.UNKNOWN,
        reason="Disconnected",
        message=message or "no connection; its apps run on from its own store",
    )


def duplicate_condition(*, twin: bool, addresses: Sequence[str]) -> Condition:
    """Whether two processes are alive with this node's identity; `addresses` are the other's."""
    if not twin:
        return Condition(
            type=DUPLICATE, status=Truth.FALSE, reason="Single", message="one process speaks"
        )
    others = ", ".join(addresses) or "an unknown address"
    return Condition(
        type=DUPLICATE,
        status=Truth.TRUE,
        reason="TwoAlive",
        message=f"two processes take turns with this identity, one at {others}: a card or a state "
        "directory was copied. Find the copy, then: skerry node revoke, and join the right one",
    )


def verifies_condition(*, root: int, unsigned: bool) -> Condition:
    """What the node says of its own trust; give it to `set_conditions` with the time."""
    if root:
        return Condition(
            type=VERIFIES,
            status=Truth.TRUE,
            reason="TrustRoot",
            message=f"runs only signed apps, by version {root} of the root of trust",
        )
    reason, message = (
        ("UnsignedAllowed", "its configuration lets it run apps that nobody signed")
        if unsigned
        else ("NoTrustRoot", "it has no root of trust and refuses every app")
    )
    return Condition(type=VERIFIES, status=Truth.FALSE, reason=reason, message=message)


def _status(node: Node, _now: datetime) -> str:
    ready = find_condition(node.status.conditions, READY)
    text = "Unknown"
    if ready is not None:
        text = {
            Truth.TRUE: "Ready",
            Truth.FALSE: "NotReady",
            Truth.UNKNOWN: "Offline",
        }[ready.status]
    twin = find_condition(node.status.conditions, DUPLICATE)
    if twin is not None and twin.status is Truth.TRUE:
        text += ",Duplicate"
    return f"{text},Unschedulable" if node.spec.unschedulable else text


def _shown(chip: Microcontroller) -> str:
    return f"{chip.name}={chip.version if chip.connected else '?'}"


NODE = Kind(
    type=Node,
    plural="nodes",
    short_names=("no",),
    namespaced=False,
    columns=(
        Column("Name", lambda node, _: node.metadata.name, "name of the node"),
        Column("Status", _status, "connected or not"),
        Column("Version", lambda node, _: node.status.agent_version, "version of the agent"),
        Column("Board", lambda node, _: node.status.board, "type of the board"),
        Column("Age", lambda node, now: age(node.metadata.creation_timestamp, now), "since when"),
        Column(
            "Revision",
            lambda node, _: node.status.revision,
            "desired revision on its disk",
            type="integer",
            priority=1,
        ),
        Column(
            "Microcontrollers",
            lambda node, _: ",".join(map(_shown, node.status.microcontrollers)),
            "what is wired to it: name and version, ? for what is not connected",
            priority=1,
        ),
        Column(
            "Resources",
            lambda node, _: ",".join(node.status.resources),
            "what can be granted on it",
            priority=1,
        ),
    ),
)
