"""What every connection works with."""

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloud.clock import Clock
from cloud.hub.credit import Credit
from cloud.hub.desired import DesiredIndex
from cloud.hub.nodes import Nodes
from cloud.store.objects import Objects
from cloud.telemetry.logs import LogStore
from cloud.telemetry.store import TelemetryStore
from cloud.vault import Vault
from edge.wire.limits import HEARTBEAT


@dataclass
class Ports:
    """Shared by all connections."""

    objects: Objects
    telemetry: TelemetryStore
    logs: LogStore
    nodes: Nodes
    clock: Clock
    vault: Vault
    heartbeat: float = HEARTBEAT
    """Seconds; what Welcome says."""
    credit: Credit = field(default_factory=Credit)
    labels: Callable[[str], Awaitable[dict[str, str]]] | None = None
    """What a node was given when it joined; None: nodes are believed, on a plain loopback."""
    ends_at: Callable[[Mapping[str, Any]], float] = lambda _scope: math.inf
    """When the certificate of a connection ends, in seconds since 1970."""
    index: DesiredIndex = field(default_factory=lambda: DesiredIndex(0))
    """The hub fills it, and replaces it when it must be built anew."""
