"""docs/cli.md from the command line's own grammar: `python -m tests.support.clidoc`."""

import argparse
from collections.abc import Iterator

import skerry
from tests.support.system import ROOT

PAGE = ROOT / "docs/cli.md"
HEAD = """\
# The command line

Made from the grammar itself by `python -m tests.support.clidoc`; a test fails when it is not up to date.
Exit codes: 0 done, 1 refused or failed (the reason is on stderr), 2 wrong usage, 130 interrupted.
"""


def render() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_section(skerry.parser())]).rstrip() + "\n"


def _section(parser: argparse.ArgumentParser) -> Iterator[str]:
    actions = [a for a in parser._actions if not isinstance(a, argparse._HelpAction)]
    subs = [a for a in actions if isinstance(a, argparse._SubParsersAction)]
    if parser.get_default("does"):
        yield f"## `{parser.prog}`\n"
        yield f"{parser.description}\n"
        options = [a for a in actions if a not in subs]
        if options:
            yield "| | |\n|---|---|"
            yield from (_row(action) for action in options)
            yield ""
    for sub in subs:
        for child in sub.choices.values():
            yield from _section(child)


def _row(action: argparse.Action) -> str:
    name = ", ".join(action.option_strings) or str(action.metavar or action.dest)
    value = (
        ""
        if action.nargs == 0 or not action.option_strings
        else f" {action.metavar or action.dest.upper()}"
    )
    text = action.help or ""
    if action.choices:
        text = f"{text} ({', '.join(map(str, action.choices))})".strip()
    return f"| `{name}{value}` | {text} |"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
