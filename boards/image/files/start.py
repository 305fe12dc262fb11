"""Starts the agent on a board, with the settings that configure.py left in RAM.

Runs on the board, never on the machine that builds the image.
"""

import socket
import sys
import time
import tomllib
from pathlib import Path

from edge.config import AgentConfig
from edge.launch import launch_on_board
from hal.boardfile import load_board
from hal.errors import HalError

FACTS = Path("/run/skerry")
BOARDS = (FACTS / "board.toml", Path("/etc/skerry/board.toml"))
"""With the microcontrollers that skerry.toml names, and the image's own."""
STATE = Path("/data/agent")
ROOTS = (Path("/boot/root.cose"), FACTS / "root.cose")
"""The root of trust, whose signatures count here: put beside skerry.toml, or written in it."""
NOWHERE = "https://127.0.0.1:8480"
"""The cloud of a node that is given none: nobody answers there."""


def main() -> int:
    """Run the agent until it is told to stop."""
    settings = tomllib.loads((FACTS / "skerry.toml").read_text())
    name = socket.gethostname()
    cloud = settings["cloud"]
    if "url" not in cloud:
        _say("cloud.url is missing in skerry.toml: this node runs alone")
    config = AgentConfig(
        name=name,
        cloud=cloud.get("url", NOWHERE),
        token=cloud.get("token") if "url" in cloud else None,
        ca_pin=cloud.get("ca-pin") if "url" in cloud else None,
        labels=settings["node"].get("labels", {}),
        board=_board(),
        state=STATE,
        runtime=FACTS / "agent",
        boot_facts=FACTS,
        trust_root=next((root for root in ROOTS if root.exists()), None),
        allow_unsigned=settings["trust"].get("unsigned") == "allow",
    )
    seconds = time.clock_gettime(time.CLOCK_BOOTTIME)
    _say(f"agent of {name} starts {seconds:.1f} s after the kernel")
    return launch_on_board(config)


def _board() -> Path | None:
    """The first that is right: a wrong word about a microcontroller costs no more than that."""
    for file in BOARDS:
        if file.exists():
            try:
                load_board(file).close()
            except HalError as fault:
                _say(f"skerry.toml: {fault}: this node runs without its microcontrollers")
            else:
                return file
    return None


def _say(text: str) -> None:
    """To the person at the console and to the log."""
    with Path("/dev/console").open("w") as console:
        console.write(f"skerry: {text}\n")
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
