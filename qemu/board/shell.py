"""Commands over a console, without doing any I/O: what to type and how to read the answer.

Each command runs in a shell of its own with no input, so that none can break the session:
no folder, variable or syntax error outlives it. Output is text; bytes travel as base64.
"""

import base64
import re
import shlex
from collections.abc import Iterator

import msgspec

# A terminal passes on at most 4,095 bytes of a line (Linux, N_TTY_BUF_SIZE).
LINE_LIMIT = 4000
# What the kernel's terminal keeps while the guest is busy is some tens of kilobytes.
BATCH_BYTES = 12_000
_BASE64_LINE = 960

# Echo off, no line editing: from here on the console says only what commands say. A shell that
# edits lines swallows what is typed after its line, so nothing may be typed before ENTERED.
# A file argument makes the inner shell read whole lines and prompt for none; `cat | sh` does not
# do, for busybox copies a terminal with sendfile(), which now and then sleeps on a waiting line.
ENTER = "stty -echo; printf '\\nboard-%s\\n' entered; sh /proc/self/fd/0 2>&1\n"
ENTERED = "\nboard-entered\n"


class Completed(msgspec.Struct, frozen=True):
    """What a command in the guest said, and its exit status."""

    output: str
    status: int


def typed(command: str, mark: str) -> str:
    """What to type so that `command` runs and its answer lies between marks.

    Raises ValueError when a terminal would not pass the line on.
    """
    line = (
        f"printf '\\n{mark}<\\n'; sh -c {shlex.quote(command)} </dev/null; "
        f"printf '\\n{mark}>%d\\n' $?\n"
    )
    if len(line.encode()) > LINE_LIMIT or "\n" in line[:-1]:
        raise ValueError(
            f"a command is one line of at most about {LINE_LIMIT - 100} bytes: "
            "put() longer scripts into the guest and run those"
        )
    return line


def start_of(mark: str) -> str:
    """The text after which a command's output begins."""
    return f"\n{mark}<\n"


def end_of(mark: str) -> re.Pattern[str]:
    """The line that ends a command's output; its group is the status."""
    return re.compile(rf"^{re.escape(mark)}>(\d+)$")


def put_batches(path: str, data: bytes) -> Iterator[str]:
    """What to type, batch by batch, to leave `data` at `path`; each wants an answer."""
    quoted = shlex.quote(path)
    for start in range(0, len(data), BATCH_BYTES):
        encoded = base64.b64encode(data[start : start + BATCH_BYTES]).decode()
        lines = [encoded[at : at + _BASE64_LINE] for at in range(0, len(encoded), _BASE64_LINE)]
        yield "\n".join([f"base64 -d >>{quoted} <<'END'", *lines, "END", ""])
