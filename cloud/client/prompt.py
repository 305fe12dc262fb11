"""Reads what a person types, until it is whole: a line, or a block and the empty line that ends it."""

import codeop
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress

SOURCE_LIMIT = 4096
"""Characters of one input: it is kept in the audit log before and after, whole."""
PROMPT, MORE = ">>> ", "... "
LEAVE = frozenset({"exit()", "quit()", "exit", "quit"})


class Prompt:
    """`read` gives one input after the other; wrong Python is shown and asked for again."""

    def __init__(self, read_line: Callable[[str], str], show: Callable[[str], None]) -> None:
        """`read_line` shows a prompt; raises EOFError at the end."""
        self._read_line = read_line
        self._show = show

    def read(self) -> str:
        """The next input that is whole; raises EOFError when there is none, or it says `exit()`."""
        lines: list[str] = []
        while True:
            try:
                lines.append(self._read_line(MORE if lines else PROMPT))
            except KeyboardInterrupt:
                self._show("\nKeyboardInterrupt")
                lines.clear()
                continue
            except EOFError:
                if not lines:
                    raise
                lines.append("")  # a pipe ends with its block
            source = "\n".join(lines)
            if source.strip() in LEAVE:
                raise EOFError
            whole, problem = judge(source)
            if not whole:
                continue
            lines.clear()
            if problem:
                self._show(problem)
            elif source.strip():
                return source


def judge(source: str) -> tuple[bool, str]:
    """Whether it is whole, and what is wrong with it. MicroPython knows no syntax but Python's."""
    if len(source) > SOURCE_LIMIT:
        return True, (
            f"{len(source)} characters, at most {SOURCE_LIMIT} can be sent at once: "
            "import what is longer from a project"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return codeop.compile_command(source, "<stdin>", "single") is not None, ""
    except (SyntaxError, ValueError, OverflowError) as error:
        return True, "".join(traceback.format_exception_only(error)).rstrip()


def reader() -> Callable[[str], str]:
    """Lines with editing and history at a terminal, as they are from anything else."""
    if sys.stdin.isatty():
        with suppress(ImportError):
            __import__("readline")  # from now on `input` edits; the history goes with the process
        return input
    return _piped


def _piped(_: str) -> str:
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")
