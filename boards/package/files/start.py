"""Starts the agent as a service, with what `/etc/skerry/skerry.toml` says.

Runs on the board, never on the machine that builds the package. A wrong file ends with exit code
2 and its fault in the journal: the unit does not restart for that.
"""

import socket
import sys
import tomllib
from pathlib import Path
from typing import Any

import skerry

SETTINGS = Path("/etc/skerry/skerry.toml")
ROOT = Path("/etc/skerry/root.cose")
"""The root of trust that a person put beside it: whose signatures count here."""
WRONG_SETTINGS = 2


def main() -> int:
    """Run the agent until it is told to stop."""
    try:
        arguments = _arguments(tomllib.loads(SETTINGS.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError) as fault:
        print(f"{SETTINGS}: {fault}", file=sys.stderr)  # noqa: T201 - the journal's
        return WRONG_SETTINGS
    return skerry.main(arguments)


def _arguments(settings: dict[str, Any]) -> list[str]:
    node, cloud = _table(settings, "node"), _table(settings, "cloud")
    name = str(node.get("name") or socket.gethostname().partition(".")[0].lower())
    arguments = ["agent", "--name", name, "--state", "/var/lib/skerry/agent"]
    arguments += ["--runtime", "/run/skerry"]
    if "board" in node:
        arguments += ["--board", str(node["board"])]
    if "url" in cloud:
        arguments += ["--cloud", str(cloud["url"])]
    for key in ("token", "ca-pin"):
        if key in cloud:
            arguments += [f"--{key}", str(cloud[key])]
    if ROOT.exists():
        arguments += ["--trust-root", str(ROOT)]
    for label, value in _table(node, "labels").items():
        arguments += ["--label", f"{label}={value}"]
    return arguments


def _table(parent: dict[str, Any], name: str) -> dict[str, Any]:
    found = parent.get(name, {})
    if not isinstance(found, dict):
        raise ValueError(f"{name} is not a table; write [{name}]")  # noqa: TRY004 - one kind
    return found


if __name__ == "__main__":
    sys.exit(main())
