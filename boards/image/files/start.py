"""Starts the agent on a board, with the settings that configure.py left in RAM.

Runs on the board, never on the machine that builds the image.
"""

import socket
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import skerry

FACTS = Path("/run/skerry")
BOARD = Path("/etc/skerry/board.toml")
STATE = Path("/data/agent")
ROOTS = (Path("/boot/root.cose"), FACTS / "root.cose")
"""The root of trust, whose signatures count here: put beside skerry.toml, or written in it."""


def main() -> int:
    """Run the agent until it is told to stop."""
    settings = tomllib.loads((FACTS / "skerry.toml").read_text())
    name = socket.gethostname()
    arguments = ["agent", "--name", name, "--state", str(STATE)]
    arguments += ["--runtime", str(FACTS / "agent"), "--boot-facts", str(FACTS)]
    if BOARD.exists():
        arguments += ["--board", str(BOARD)]
    arguments += cloud_arguments(settings["cloud"])
    arguments += [f"--trust-root={root}" for root in ROOTS if root.exists()][:1]
    if settings["trust"].get("unsigned") == "allow":
        arguments.append("--allow-unsigned")
    for label, value in settings["node"].get("labels", {}).items():
        arguments += ["--label", f"{label}={value}"]
    seconds = time.clock_gettime(time.CLOCK_BOOTTIME)
    _say(f"agent of {name} starts {seconds:.1f} s after the kernel")
    return skerry.main(arguments)


def cloud_arguments(cloud: dict[str, Any]) -> list[str]:
    """`[cloud]` as the agent takes it: the one place that knows how a node joins."""
    if "url" not in cloud:
        _say("cloud.url is missing in skerry.toml: this node runs alone")
        return []
    arguments = ["--cloud", str(cloud["url"])]
    for key in ("token", "ca-pin"):
        if key in cloud:
            arguments += [f"--{key}", str(cloud[key])]
    return arguments


def _say(text: str) -> None:
    """To the person at the console and to the log."""
    with Path("/dev/console").open("w") as console:
        console.write(f"skerry: {text}\n")
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
