"""Starts the agent on a board, with what `skerry.toml` in the boot partition says.

Runs on the board, never on the machine that builds the image. A file that cannot be understood
never keeps the agent from starting: it says so and goes on without.
"""

import os
import socket
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import skerry

SETTINGS = Path("/boot/skerry.toml")
BOARD = Path("/etc/skerry/board.toml")
STATE = Path("/data/agent")
ROOT = Path("/boot/root.cose")
"""The root of trust that a person put beside skerry.toml: whose signatures count here."""
NAME = Path("/data/name")
"""A name made at first boot, for a node that was given none."""


def main() -> int:
    """Run the agent until it is told to stop."""
    settings = _settings()
    node, cloud = _table(settings, "node"), _table(settings, "cloud")
    name = str(node.get("name") or _own_name())
    socket.sethostname(name)
    arguments = ["agent", "--name", name, "--state", str(STATE)]
    if BOARD.exists():
        arguments += ["--board", str(BOARD)]
    if "url" in cloud:
        arguments += ["--cloud", str(cloud["url"])]
        for key in ("token", "ca-pin"):
            if key in cloud:
                arguments += [f"--{key}", str(cloud[key])]
    else:
        _say("cloud.url is missing in skerry.toml: this node runs alone")
    if ROOT.exists():
        arguments += ["--trust-root", str(ROOT)]
    if _table(settings, "trust").get("unsigned") == "allow":
        arguments.append("--allow-unsigned")
    for label, value in _table(node, "labels").items():
        arguments += ["--label", f"{label}={value}"]
    _say(
        f"agent of {name} starts {time.clock_gettime(time.CLOCK_BOOTTIME):.1f} s after the kernel"
    )
    return skerry.main(arguments)


def _settings() -> dict[str, Any]:
    try:
        return tomllib.loads(SETTINGS.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as fault:
        _say(f"skerry.toml is not used: {fault}")
        return {}


def _table(parent: dict[str, Any], name: str) -> dict[str, Any]:
    found = parent.get(name, {})
    return found if isinstance(found, dict) else {}


def _own_name() -> str:
    if not NAME.exists():
        part = NAME.with_suffix(".part")
        part.write_text(f"skerry-{os.urandom(3).hex()}")
        part.replace(NAME)
    return NAME.read_text()


def _say(text: str) -> None:
    """To the person at the console and to the log."""
    with Path("/dev/console").open("w") as console:
        console.write(f"skerry: {text}\n")
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
