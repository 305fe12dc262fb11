"""Who is at the other end of a request; what the gate leaves for everything behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

IDENTITY = "skerry.identity"
"""Key of the ASGI scope under which the gate, and nobody else, leaves the Identity."""


@dataclass(frozen=True)
class Principal:
    """A proven identity; `anonymous` has proven nothing and has an empty name."""

    kind: Literal["node", "user", "service", "anonymous"]
    name: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks, and with which token (its id; empty without one)."""

    principal: Principal
    token: str = ""


ANONYMOUS = Identity(Principal("anonymous", ""))


def node_of(scope: Mapping[str, Any]) -> str | None:
    """The node whose certificate was shown; None without one."""
    identity: Identity = scope.get(IDENTITY, ANONYMOUS)
    return identity.principal.name if identity.principal.kind == "node" else None
