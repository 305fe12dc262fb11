"""What a node is told at start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

OUTBOX_DEFAULT = 64 << 20
SIMULATED = Path("sim")
"""Given as the board: the standard simulated one."""


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """One agent's settings."""

    name: str
    cloud: str
    state: Path
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    token: str | None = field(default=None, repr=False)
    """Join token: used once, then worthless. A secret."""
    ca_pin: str | None = None
    """`sha256:…` of the CA to meet, for a node that a person approves."""
    board: Path | None = None
    """A board file, SIMULATED, or None for what Linux finds here."""
    outbox_limit: int = OUTBOX_DEFAULT
    boot_facts: Path | None = None
    """What an image's init left in RAM (edge/boot.py); None: this is no board of ours."""
    runtime: Path | None = None
    """A directory in RAM for what need not outlive a power cut; None: the state directory."""
    trust_root: Path | None = None
    """The root of trust this node is given; None: the one in its store, if any."""
    allow_unsigned: bool = False
    """Without a root, run what nobody signed, and tell the cloud so; with one it changes nothing."""
    key_store: str = ""
    """`pkcs11:…`: the token that seals secrets; empty: a key in a file of the state directory."""
