"""Starts the agent as a service, with what `/etc/skerry/skerry.toml` says.

Runs on the board, never on the machine that builds the package. A wrong file ends with exit code
2 and its fault in the journal: the unit does not restart for that.
"""

import socket
import sys
import tomllib
from pathlib import Path
from typing import Any

from edge.config import AgentConfig
from edge.launch import launch_on_board

SETTINGS = Path("/etc/skerry/skerry.toml")
ROOT = Path("/etc/skerry/root.cose")
"""The root of trust that a person put beside it: whose signatures count here."""
NOWHERE = "https://127.0.0.1:8480"
"""The cloud of a node that is given none: one on this machine, or nobody."""
WRONG_SETTINGS = 2


def main() -> int:
    """Run the agent until it is told to stop."""
    try:
        config = _config(tomllib.loads(SETTINGS.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError) as fault:
        print(f"{SETTINGS}: {fault}", file=sys.stderr)  # noqa: T201 - the journal's
        return WRONG_SETTINGS
    return launch_on_board(config)


def _config(settings: dict[str, Any]) -> AgentConfig:
    node, cloud = _table(settings, "node"), _table(settings, "cloud")
    return AgentConfig(
        name=str(node.get("name") or socket.gethostname().partition(".")[0].lower()),
        cloud=str(cloud.get("url", NOWHERE)),
        token=str(cloud["token"]) if "token" in cloud else None,
        ca_pin=str(cloud["ca-pin"]) if "ca-pin" in cloud else None,
        labels={label: str(value) for label, value in _table(node, "labels").items()},
        board=Path(node["board"]) if "board" in node else None,
        state=Path("/var/lib/skerry/agent"),
        runtime=Path("/run/skerry"),
        trust_root=ROOT if ROOT.exists() else None,
    )


def _table(parent: dict[str, Any], name: str) -> dict[str, Any]:
    found = parent.get(name, {})
    if not isinstance(found, dict):
        raise ValueError(f"{name} is not a table; write [{name}]")  # noqa: TRY004 - one kind
    return found


if __name__ == "__main__":
    sys.exit(main())
