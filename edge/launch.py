"""An agent started with settings that somebody has read: a command line, or a board's own start.

A board does without the command line, whose grammar would stay in the agent's memory for as long
as it runs: 0.9 MiB.
"""

import asyncio
import re
import sys

from edge.agent import main
from edge.config import AgentConfig
from edge.errors import ControlError
from edge.wire.limits import NAME_PATTERN

_OURS = {"edge", "hal"}


def launch(config: AgentConfig) -> int:
    """Run the agent until it is told to stop; raises ControlError for a name that is none."""
    if not re.match(NAME_PATTERN, config.name):
        raise ControlError(
            f"--name: {config.name!r} is not a lower-case DNS label of 1-63 letters"
        )
    return asyncio.run(main(config))


def launch_on_board(config: AgentConfig) -> int:
    """`launch` for an init: a fault that a person can mend is a line of the log, and exit code 1."""
    try:
        return launch(config)
    except Exception as fault:
        if type(fault).__module__.partition(".")[0] not in _OURS and not isinstance(
            fault, OSError
        ):
            raise
        sys.stderr.write(f"skerry: {fault}\n")
        return 1
